-- What persons record beside the estate, and the log of every change.

-- +goose Up
CREATE TABLE declarations (
    id           TEXT    PRIMARY KEY,
    organization BIGINT NOT NULL REFERENCES organizations (id),
    kind         TEXT    NOT NULL,
    scope        TEXT    NOT NULL, -- a filter
    duties       TEXT    NOT NULL, -- JSON
    check_id     TEXT    NOT NULL,
    team         TEXT    NOT NULL,
    declared_by  TEXT    NOT NULL,
    on_day       BIGINT NOT NULL,
    until_day    BIGINT NOT NULL, -- 0 is open
    text         TEXT    NOT NULL,
    recorded     BIGINT NOT NULL,
    withdrawn    BIGINT NOT NULL, -- 0 while it stands
    withdrawn_by TEXT    NOT NULL
);
CREATE INDEX declarations_organization ON declarations (organization, recorded);

CREATE TABLE audit (
    sequence     BIGINT PRIMARY KEY,
    at           BIGINT NOT NULL,
    organization TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    detail       TEXT    NOT NULL,
    hash         TEXT    NOT NULL
);
CREATE INDEX audit_organization ON audit (organization, sequence);

-- +goose StatementBegin
CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever added to';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_keeps BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuses();
CREATE TRIGGER audit_stays BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses();
