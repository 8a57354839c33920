-- Who may do more than others, who is signed in, what was done by whom, and what mutations that
-- were sent with an idempotency key have answered.

CREATE TABLE user_roles (
    user_id integer NOT NULL,
    role varchar(16) NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_roles_pkey PRIMARY KEY (user_id, role),
    CONSTRAINT user_roles_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT user_roles_role_check CHECK (role IN ('editor', 'admin'))
);
CREATE INDEX user_roles_role_idx ON user_roles (role);
COMMENT ON TABLE user_roles IS 'Роли пользователей сверх обычной: редактор, администратор';

-- A token is kept as its SHA-256: whoever reads the table cannot use it.
CREATE TABLE sessions (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id integer NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    address varchar(45),
    agent varchar(256),
    CONSTRAINT sessions_token_hash_key UNIQUE (token_hash),
    CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT sessions_token_hash_check CHECK (octet_length(token_hash) = 32)
);
CREATE INDEX sessions_user_id_idx ON sessions (user_id, id);
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);
COMMENT ON TABLE sessions IS 'Сеансы пользователей; вместо ключа хранится его хеш';

CREATE TABLE audit_log (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    user_id integer,
    action varchar(64) NOT NULL,
    object_type varchar(64) NOT NULL,
    object_key varchar(64) NOT NULL,
    changes jsonb NOT NULL,
    CONSTRAINT audit_log_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT audit_log_changes_check CHECK (jsonb_typeof(changes) = 'array')
);
CREATE INDEX audit_log_user_id_idx ON audit_log (user_id, id);
COMMENT ON TABLE audit_log IS 'Кто и что менял в каталоге и ролях; без пользователя — из командной строки';

CREATE TABLE idempotency_keys (
    key_hash bytea NOT NULL,
    input_hash bytea NOT NULL,
    outcome jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key_hash)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);
COMMENT ON TABLE idempotency_keys IS 'Исходы мутаций, посланных с ключом идемпотентности; хранятся сутки';
