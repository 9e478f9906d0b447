-- What persons record beside the estate, and the log of every change.

-- +goose Up
CREATE TABLE declarations (
    id           TEXT    PRIMARY KEY,
    organization INTEGER NOT NULL REFERENCES organizations (id),
    kind         TEXT    NOT NULL,
    scope        TEXT    NOT NULL, -- a filter
    duties       TEXT    NOT NULL, -- JSON
    check_id     TEXT    NOT NULL,
    team         TEXT    NOT NULL,
    declared_by  TEXT    NOT NULL,
    on_day       INTEGER NOT NULL,
    until_day    INTEGER NOT NULL, -- 0 is open
    text         TEXT    NOT NULL,
    recorded     INTEGER NOT NULL,
    withdrawn    INTEGER NOT NULL, -- 0 while it stands
    withdrawn_by TEXT    NOT NULL
);
CREATE INDEX declarations_organization ON declarations (organization, recorded);

CREATE TABLE audit (
    sequence     INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL,
    organization TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    detail       TEXT    NOT NULL,
    hash         TEXT    NOT NULL
);
CREATE INDEX audit_organization ON audit (organization, sequence);

-- +goose StatementBegin
CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;
-- +goose StatementEnd
