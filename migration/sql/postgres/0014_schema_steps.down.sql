-- Takes back 0014_schema_steps.up.sql.

DROP FUNCTION grant_like(regclass, regclass);
DROP TABLE schema_steps;
