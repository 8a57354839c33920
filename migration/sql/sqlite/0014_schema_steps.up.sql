-- Which versions of the program can run on which schema. From this step on, every step says for itself the last step that
-- a program has to know to go on once the step is applied. A program that finds steps that it does not know looks here.

CREATE TABLE schema_steps (
    name TEXT NOT NULL,
    -- The step's own name where no older version can go on.
    requires TEXT NOT NULL,
    CONSTRAINT schema_steps_pkey PRIMARY KEY (name)
) STRICT;
INSERT INTO schema_steps (name, requires) VALUES ('0014_schema_steps', '0013_feed_row');
