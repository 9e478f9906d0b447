-- A scan that changes little writes little: versions share what they have in common with the one before them, and what
-- changed of a block stands behind it instead of in it.

-- +goose Up

-- The versions whose tags and facts these are too; NULL for its own.
ALTER TABLE resources ADD COLUMN tags_of BIGINT;
ALTER TABLE resources ADD COLUMN facts_of BIGINT;

-- Digests are only in blocks, and made under a key. The next scan makes blocks again.
ALTER TABLE organizations ADD COLUMN digest_key BYTEA;
ALTER TABLE resources DROP COLUMN digest;
DELETE FROM blocks;
UPDATE organizations SET blocks = 0;

-- Entries of blocks that scans replaced, without ids, in the form of blocks. Of two of a lineage the one with the larger
-- rid counts, and none that the block has already.
CREATE TABLE block_changes (
    organization BIGINT NOT NULL REFERENCES organizations (id),
    scan         BIGINT NOT NULL,
    body         BYTEA  NOT NULL,
    PRIMARY KEY (organization, scan)
);
ALTER TABLE block_changes ALTER COLUMN body SET STORAGE EXTERNAL;

-- Numbers of scans and of what resources share fit in four bytes.
ALTER TABLE resources
    ALTER COLUMN organization TYPE INTEGER, ALTER COLUMN place TYPE INTEGER, ALTER COLUMN standing TYPE INTEGER, ALTER COLUMN inside TYPE SMALLINT, ALTER COLUMN born TYPE INTEGER,
    ALTER COLUMN first TYPE INTEGER, ALTER COLUMN ended TYPE INTEGER, ALTER COLUMN gone TYPE SMALLINT, ALTER COLUMN fact_names TYPE INTEGER;
ALTER TABLE moves
    ALTER COLUMN organization TYPE INTEGER, ALTER COLUMN scan TYPE INTEGER, ALTER COLUMN place TYPE INTEGER, ALTER COLUMN before TYPE INTEGER, ALTER COLUMN after TYPE INTEGER,
    ALTER COLUMN catalog_changed TYPE SMALLINT;
ALTER TABLE findings
    ALTER COLUMN organization TYPE INTEGER, ALTER COLUMN place TYPE INTEGER, ALTER COLUMN outcome TYPE INTEGER, ALTER COLUMN severity TYPE SMALLINT, ALTER COLUMN first TYPE INTEGER,
    ALTER COLUMN last TYPE INTEGER, ALTER COLUMN resolved TYPE INTEGER;
