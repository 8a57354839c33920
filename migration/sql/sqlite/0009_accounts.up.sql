-- Who may do more than others, who is signed in, what was done by whom, and what mutations that
-- were sent with an idempotency key have answered.

CREATE TABLE user_roles (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL CONSTRAINT user_roles_role_check CHECK (role IN ('editor', 'admin')),
    granted_at TEXT NOT NULL DEFAULT (replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+'))
        CONSTRAINT user_roles_granted_at_form
        CHECK (granted_at GLOB '*[0-9]+00:00' AND datetime(granted_at) IS NOT NULL
            AND substr(granted_at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(granted_at, 1, 19), '+0 days')),
    CONSTRAINT user_roles_pkey PRIMARY KEY (user_id, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_roles_role_idx ON user_roles (role);

-- A token is kept as its SHA-256: whoever reads the table cannot use it.
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash BLOB NOT NULL CONSTRAINT sessions_token_hash_check CHECK (length(token_hash) = 32),
    created_at TEXT NOT NULL DEFAULT (replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+'))
        CONSTRAINT sessions_created_at_form
        CHECK (created_at GLOB '*[0-9]+00:00' AND datetime(created_at) IS NOT NULL
            AND substr(created_at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(created_at, 1, 19), '+0 days')),
    seen_at TEXT NOT NULL DEFAULT (replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+'))
        CONSTRAINT sessions_seen_at_form
        CHECK (seen_at GLOB '*[0-9]+00:00' AND datetime(seen_at) IS NOT NULL
            AND substr(seen_at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(seen_at, 1, 19), '+0 days')),
    expires_at TEXT NOT NULL
        CONSTRAINT sessions_expires_at_form
        CHECK (expires_at GLOB '*[0-9]+00:00' AND datetime(expires_at) IS NOT NULL
            AND substr(expires_at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(expires_at, 1, 19), '+0 days')),
    address TEXT CONSTRAINT sessions_address_length CHECK (length(address) <= 45),
    agent TEXT CONSTRAINT sessions_agent_length CHECK (length(agent) <= 256)
) STRICT;
CREATE UNIQUE INDEX sessions_token_hash_key ON sessions (token_hash);
CREATE INDEX sessions_user_id_idx ON sessions (user_id, id);
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

CREATE TABLE audit_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL DEFAULT (replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+'))
        CONSTRAINT audit_log_at_form
        CHECK (at GLOB '*[0-9]+00:00' AND datetime(at) IS NOT NULL
            AND substr(at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(at, 1, 19), '+0 days')),
    user_id INTEGER REFERENCES users (id) ON DELETE SET NULL,
    action TEXT NOT NULL CONSTRAINT audit_log_action_length CHECK (length(action) <= 64),
    object_type TEXT NOT NULL CONSTRAINT audit_log_object_type_length CHECK (length(object_type) <= 64),
    object_key TEXT NOT NULL CONSTRAINT audit_log_object_key_length CHECK (length(object_key) <= 64),
    changes TEXT NOT NULL CONSTRAINT audit_log_changes_check CHECK (json_valid(changes) AND json_type(changes) = 'array')
) STRICT;
CREATE INDEX audit_log_user_id_idx ON audit_log (user_id, id);

CREATE TABLE idempotency_keys (
    key_hash BLOB NOT NULL,
    input_hash BLOB NOT NULL,
    outcome TEXT CONSTRAINT idempotency_keys_outcome_form CHECK (json_valid(outcome)),
    created_at TEXT NOT NULL DEFAULT (replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+'))
        CONSTRAINT idempotency_keys_created_at_form
        CHECK (created_at GLOB '*[0-9]+00:00' AND datetime(created_at) IS NOT NULL
            AND substr(created_at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(created_at, 1, 19), '+0 days')),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);
