-- Takes back 0014_schema_steps.up.sql.

DROP TABLE schema_steps;
