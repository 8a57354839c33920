-- Takes back 0009_accounts.up.sql.

DROP TABLE idempotency_keys;
DROP TABLE audit_log;
DROP TABLE sessions;
DROP TABLE user_roles;
