//! A migrated database with at least one row in every table, and helpers to try SQL on it.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, RuntimeErr};

use crate::catalogue::read_texts;
use crate::support::database::{Backend, TestDatabase};

/// Each person, movie, cinema and user has one purpose, so that a deletion meets one rule: movie 1
/// has an award, 2 an order, 3 all dependent rows, 4 nothing; user 1 wrote the publications, 2
/// ordered, 3 commented and rated; person 1 is staff, 2 has the award.
const ROWS: &str = "
    INSERT INTO tags (title) VALUES ('Драма');
    INSERT INTO person_position (title) VALUES ('Режиссёр');
    INSERT INTO film_award_registry (title) VALUES ('Ника');
    INSERT INTO film_award_nominations_registry (title) VALUES ('Лучший фильм');
    INSERT INTO cinema_online (title, url) VALUES ('Окко', 'https://okko.example'), ('Иви', 'https://ivi.example');
    INSERT INTO publications_category (title) VALUES ('Обзор');
    INSERT INTO movies (title, duration) VALUES ('Зеркало', 108), ('Сталкер', 162), ('Солярис', 167), ('Каток', 9);
    INSERT INTO persons (country, last_name, first_name)
        VALUES ('Россия', 'Тарковский', 'Андрей'), ('Россия', 'Терехова', 'Маргарита');
    INSERT INTO movie_staff_m2m (position_id, person_id, movie_id) VALUES (1, 1, 3);
    INSERT INTO awards (film_award_id, movie_id, person_id, nomination_id) VALUES (1, 1, 2, 1);
    INSERT INTO cinema_online_movie_presence (movie_id, cinema_id, price, rating) VALUES (3, 2, 150, 5);
    INSERT INTO users (username, email, password, fio, birthday) VALUES
        ('anna', 'anna@mail.example', 'hash', 'Анна Орлова', '1990-05-01'),
        ('boris', 'boris@mail.example', 'hash', 'Борис Котов', '1991-05-01'),
        ('vera', 'vera@mail.example', 'hash', 'Вера Зимина', '1992-05-01');
    INSERT INTO user_movie_orders (cinema_order_id, movie_id, user_id, online_cinema_id, price)
        VALUES ({uuid}, 2, 2, 1, 200);
    INSERT INTO publications (title, text, author, category)
        VALUES ('О зеркалах', 'Отражения.', 1, 1), ('О зонах', 'Пустоты.', 1, 1);
    INSERT INTO comments (user_id, comment, movie_id) VALUES (3, 'Хорошо', 3);
    INSERT INTO comments (user_id, comment, parent_id, movie_id) VALUES (3, 'И правда', 1, 3);
    INSERT INTO comments (user_id, comment, publication_id) VALUES (3, 'Спорно', 1);
    INSERT INTO comments (user_id, comment, parent_id, publication_id) VALUES (1, 'Отнюдь', 3, 1);
    INSERT INTO comments (user_id, comment, parent_id, publication_id) VALUES (3, 'Отнюдь нет', 4, 1);
    INSERT INTO users_rating (rating, user_id, movie_id) VALUES (5, 3, 3);
    INSERT INTO users_rating (rating, user_id, publication_id) VALUES (4, 3, 1)";

/// One connection to a new database with the rows above.
pub struct Fixture {
    pub backend: Backend,
    pub db: DatabaseConnection,
    _database: TestDatabase,
}

impl Fixture {
    pub async fn new(backend: Backend) -> Self {
        let database = TestDatabase::migrated(backend).await;
        let db = database.connect().await;
        let fixture = Self { backend, db, _database: database };
        fixture.run(ROWS).await.unwrap();
        fixture
    }

    /// Runs statements without undoing them.
    pub async fn run(&self, sql: &str) -> Result<(), DbErr> {
        self.db.execute_unprepared(&spell(sql, self.backend)).await.map(|_| ())
    }

    /// Runs statements in a transaction and commits it. All but the last must succeed.
    ///
    /// The commit may fail too, because SQLite then checks its deferred key.
    pub async fn commit(&self, sql: &str) -> Result<(), DbErr> {
        self.begin(sql).await?;
        let end = self.run("COMMIT").await;
        if end.is_err() {
            self.run("ROLLBACK").await.unwrap();
        }
        end
    }

    /// Runs statements, reads one text, and undoes the statements.
    pub async fn peek(&self, sql: &str, query: &str) -> Result<String, DbErr> {
        self.begin(sql).await?;
        let seen = read_texts(&self.db, &spell(query, self.backend)).await.join(", ");
        let broken_keys = match self.backend {
            Backend::Postgres => Vec::new(),
            Backend::Sqlite => read_texts(&self.db, "SELECT \"table\" FROM pragma_foreign_key_check").await,
        };
        self.run("ROLLBACK").await.unwrap();
        assert!(broken_keys.is_empty(), "{sql}: rows of {broken_keys:?} have dangling keys");
        Ok(seen)
    }

    async fn begin(&self, sql: &str) -> Result<(), DbErr> {
        self.run("BEGIN").await.unwrap();
        let statements: Vec<_> = sql.split(';').collect();
        let (last, first) = statements.split_last().unwrap();
        for statement in first {
            self.run(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        let end = self.run(last).await;
        if end.is_err() {
            self.run("ROLLBACK").await.unwrap();
        }
        end
    }
}

/// Replaces placeholders for which the databases have different syntax.
fn spell(sql: &str, backend: Backend) -> String {
    let (uuid, today, tomorrow) = match backend {
        Backend::Postgres => ("'5f2c7d1e-9b1a-4c36-8f0e-0d6b4a7c9e11'", "current_date", "current_date + 1"),
        Backend::Sqlite => ("x'5f2c7d1e9b1a4c368f0e0d6b4a7c9e11'", "date('now')", "date('now', '+1 day')"),
    };
    sql.replace("{uuid}", uuid).replace("{today}", today).replace("{tomorrow}", tomorrow)
}

/// The rule that a statement violates.
#[derive(Clone, Debug)]
pub enum Rule {
    /// A check or a trigger, by the name of its constraint.
    Check(String),
    /// A unique key: its name, and its columns as SQLite lists them.
    Unique(&'static str, &'static str),
    /// A foreign key, by its name. SQLite does not name it.
    Key(String),
    /// A column without NULLs, as `table.column`.
    NotNull(String),
    /// A `varchar` column, as `table.column`, with its maximum length.
    Length(String, usize),
    /// Parts of the message on PostgreSQL and on SQLite.
    Says(&'static str, &'static str),
}

impl Rule {
    /// Whether this rule, and no other, caused the error.
    pub fn explains(&self, error: &DbErr, backend: Backend) -> bool {
        let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = error else {
            return false;
        };
        let Some(cause) = cause.as_database_error() else { return false };
        let message = cause.message();
        let named = |name: &str| cause.constraint() == Some(name);
        match (self, backend) {
            (Self::Check(name), Backend::Postgres) => named(name) && cause.code().as_deref() == Some("23514"),
            (Self::Check(name), Backend::Sqlite) => message == format!("CHECK constraint failed: {name}"),
            (Self::Unique(name, _), Backend::Postgres) => named(name) && cause.is_unique_violation(),
            (Self::Unique(_, columns), Backend::Sqlite) => message == format!("UNIQUE constraint failed: {columns}"),
            (Self::Key(name), Backend::Postgres) => named(name) && cause.is_foreign_key_violation(),
            (Self::Key(_), Backend::Sqlite) => message == "FOREIGN KEY constraint failed",
            (Self::NotNull(column), Backend::Postgres) => {
                let (table, column) = column.split_once('.').unwrap();
                message.starts_with(&format!("null value in column \"{column}\" of relation \"{table}\""))
            }
            (Self::NotNull(column), Backend::Sqlite) => message == format!("NOT NULL constraint failed: {column}"),
            (Self::Length(_, max), Backend::Postgres) => {
                message == format!("value too long for type character varying({max})")
            }
            (Self::Length(column, _), Backend::Sqlite) => {
                message == format!("CHECK constraint failed: {}_length", column.replace('.', "_"))
            }
            (Self::Says(text, _), Backend::Postgres) | (Self::Says(_, text), Backend::Sqlite) => message.contains(text),
        }
    }
}

/// Tries each statement, then fails with all statements that their rule did not refuse.
pub async fn expect_refusals(fixture: &Fixture, cases: impl IntoIterator<Item = (String, String, Rule)>) {
    let mut surprises = Vec::new();
    for (claim, sql, rule) in cases {
        match fixture.commit(&sql).await {
            Ok(()) => {
                surprises.push(format!("{claim}: {sql}: was accepted, although {rule:?}"));
                // An accepted statement may affect all later cases.
                break;
            }
            Err(error) if rule.explains(&error, fixture.backend) => {}
            Err(error) => surprises.push(format!("{claim}: {sql}: expected {rule:?}, got {error}")),
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}
