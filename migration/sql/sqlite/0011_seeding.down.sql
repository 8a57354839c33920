DROP TABLE seeding_steps;
