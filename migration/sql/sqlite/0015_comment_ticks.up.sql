-- No table: on SQLite the order of events is that of their rows.
INSERT INTO schema_steps (name, requires) VALUES ('0015_comment_ticks', '0014_schema_steps');
