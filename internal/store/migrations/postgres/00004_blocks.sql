-- What has not ended in blocks, for reading all of it fast; and versions, moves and findings of one resource belong
-- together by a number instead of by its id.

-- +goose Up

-- The versions that have not ended, about a thousand in a row, in the order of ids: what resources says of them, in the
-- form of blocks.go. They are of the scan that organizations.blocks names; 0 is of none, and they are made of resources.
ALTER TABLE organizations ADD COLUMN blocks BIGINT NOT NULL DEFAULT 0;
CREATE TABLE blocks (
    organization BIGINT NOT NULL REFERENCES organizations (id),
    first_id     TEXT   COLLATE "C" NOT NULL, -- of its first resource
    body         BYTEA   NOT NULL,
    PRIMARY KEY (organization, first_id)
);
ALTER TABLE blocks ALTER COLUMN body SET STORAGE EXTERNAL; -- compressing it again gains little and takes long

-- The first version of the resource.
ALTER TABLE resources ADD COLUMN lineage BIGINT NOT NULL DEFAULT 0;
UPDATE resources SET lineage = rid;
UPDATE resources SET lineage = (
    SELECT min(p.rid) FROM resources p WHERE p.organization = resources.organization AND p.id = resources.id AND p.ended IS NOT NULL
) WHERE EXISTS (
    SELECT 1 FROM resources p WHERE p.organization = resources.organization AND p.id = resources.id AND p.ended IS NOT NULL AND p.rid < resources.rid
);

ALTER TABLE moves ADD COLUMN lineage BIGINT NOT NULL DEFAULT 0;
UPDATE moves SET lineage = coalesce((SELECT lineage FROM resources r WHERE r.rid = moves.rid), 0);
DROP INDEX moves_resource;
ALTER TABLE moves DROP COLUMN resource;
CREATE INDEX moves_lineage ON moves (lineage);

ALTER TABLE findings ADD COLUMN lineage BIGINT NOT NULL DEFAULT 0;
UPDATE findings SET lineage = coalesce(
    (SELECT lineage FROM resources r WHERE r.rid = findings.rid),
    (SELECT lineage FROM resources r WHERE r.organization = findings.organization AND r.id = findings.resource AND r.ended IS NULL), 0);
-- Of these a prune has left no version to say whose they were.
DELETE FROM findings WHERE rid NOT IN (SELECT rid FROM resources) AND resolved IS NOT NULL;
DROP INDEX findings_resource;
ALTER TABLE findings DROP COLUMN resource;
CREATE INDEX findings_open ON findings (lineage) WHERE resolved IS NULL;
