-- The keys by which programs use the API, without their secrets.

-- +goose Up
CREATE TABLE tokens (
    id         TEXT   PRIMARY KEY,
    hash       TEXT   NOT NULL UNIQUE, -- SHA-256 of the secret, in hex
    name       TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    teams      TEXT   NOT NULL, -- JSON
    made_by    TEXT   NOT NULL,
    made       BIGINT NOT NULL,
    expires    BIGINT NOT NULL,
    last_used  BIGINT NOT NULL, -- 0 for never
    revoked    BIGINT NOT NULL, -- 0 while it is good
    revoked_by TEXT   NOT NULL
);
