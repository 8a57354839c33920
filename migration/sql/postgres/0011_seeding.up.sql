-- What the seeder notes down in the database that it fills: how far it came, and what it took
-- away for the time of the load. So a run that was interrupted, even by kill -9, can be gone on
-- with, and nothing stays away.

CREATE TABLE seeding_steps (
    name text NOT NULL,
    -- The seed and the sizes, as JSON: only the same may go on.
    parameters text NOT NULL,
    rows bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CONSTRAINT seeding_steps_pkey PRIMARY KEY (name)
);
COMMENT ON TABLE seeding_steps IS 'Шаги заполнения базы: незаконченный шаг повторяется';

CREATE TABLE seeding_restores (
    id integer GENERATED ALWAYS AS IDENTITY,
    -- What is restored first: 0 triggers, 1 indexes, 2 constraints, 3 their validation.
    phase smallint NOT NULL,
    -- The table that it belongs to.
    target text NOT NULL,
    statement text NOT NULL,
    CONSTRAINT seeding_restores_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE seeding_restores IS 'Что снято на время заполнения и чем это вернуть';
