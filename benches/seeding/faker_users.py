"""Inserts users made by Python's Faker row by row, for comparison with the seeder. Prints the seconds."""

import sys
import time

import psycopg
from faker import Faker

INSERT = """
    INSERT INTO users (username, email, password, fio, bio, created_at, birthday, last_logon)
    VALUES (%s, %s, '!', %s, %s, %s, %s, %s)
"""


def main():
    url, number = sys.argv[1], int(sys.argv[2])
    fake = Faker("ru_RU")
    Faker.seed(1)
    with psycopg.connect(url) as connection:
        # Imports and connecting do not count. psycopg prepares frequent statements.
        started = time.perf_counter()
        for user in range(number):
            joined = fake.date_between("-10y", "-1y")
            connection.execute(INSERT, [
                f"{fake.user_name()}{user}", f"{user}{fake.free_email()}", fake.name(), fake.text(200), joined,
                fake.date_of_birth(minimum_age=27, maximum_age=60), fake.date_between(joined)])
        connection.commit()
        print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
