-- The history of scans. Times are microseconds since 1970 in UTC, days are their first microsecond. Ids of rows are given
-- by the program, under the lock of the one writer. A row with first and ended is so from the scan first on, until the
-- scan ended found it otherwise.

-- +goose Up
CREATE TABLE organizations (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE scans (
    id           INTEGER PRIMARY KEY,
    organization INTEGER NOT NULL REFERENCES organizations (id),
    finished     INTEGER NOT NULL,
    as_of        INTEGER NOT NULL,
    catalog      TEXT    NOT NULL,
    estate       TEXT    NOT NULL,
    documents    INTEGER NOT NULL,
    incomplete   INTEGER NOT NULL,
    resources    INTEGER NOT NULL,
    stale        INTEGER NOT NULL,
    added        INTEGER NOT NULL,
    changed      INTEGER NOT NULL,
    removed      INTEGER NOT NULL,
    moves        INTEGER NOT NULL,
    opened       INTEGER NOT NULL,
    resolved     INTEGER NOT NULL,
    sources      TEXT    NOT NULL, -- JSON
    pruned       INTEGER NOT NULL  -- only its time is left
);
CREATE INDEX scans_organization ON scans (organization, id);

-- The catalogs and estates that scans rest on, once for each digest.
CREATE TABLE contents (
    organization INTEGER NOT NULL REFERENCES organizations (id),
    kind         TEXT    NOT NULL,
    digest       TEXT    NOT NULL,
    data         BLOB    NOT NULL,
    PRIMARY KEY (organization, kind, digest)
) WITHOUT ROWID;

-- Where resources are and what they are: what thousands of them share.
CREATE TABLE places (
    id           INTEGER PRIMARY KEY,
    organization INTEGER NOT NULL REFERENCES organizations (id),
    provider     TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    account      TEXT    NOT NULL,
    region       TEXT    NOT NULL,
    type         TEXT    NOT NULL,
    service      TEXT    NOT NULL,
    model        TEXT    NOT NULL,
    archetype    TEXT    NOT NULL,
    implied      INTEGER NOT NULL
);
CREATE INDEX places_organization ON places (organization);

-- Places that scans did not look at, though they have resources.
CREATE TABLE unlooked (
    organization INTEGER NOT NULL REFERENCES organizations (id),
    place        INTEGER NOT NULL REFERENCES places (id),
    first        INTEGER NOT NULL,
    ended        INTEGER,
    PRIMARY KEY (organization, place, first)
) WITHOUT ROWID;

-- Who holds a duty and why; whether it is done; the two together, with team and belief, are an outcome.
CREATE TABLE assignments (
    id           INTEGER PRIMARY KEY,
    organization INTEGER NOT NULL REFERENCES organizations (id),
    body         TEXT    NOT NULL -- JSON of demarc.Assignment
);
CREATE INDEX assignments_organization ON assignments (organization);

CREATE TABLE verdicts (
    id           INTEGER PRIMARY KEY,
    organization INTEGER NOT NULL REFERENCES organizations (id),
    body         TEXT    NOT NULL -- JSON of demarc.Verdict
);
CREATE INDEX verdicts_organization ON verdicts (organization);

CREATE TABLE outcomes (
    id           INTEGER PRIMARY KEY,
    organization INTEGER NOT NULL REFERENCES organizations (id),
    assignment   INTEGER NOT NULL REFERENCES assignments (id) DEFERRABLE INITIALLY DEFERRED,
    verdict      INTEGER NOT NULL REFERENCES verdicts (id) DEFERRABLE INITIALLY DEFERRED,
    team         TEXT    NOT NULL,
    teamless     INTEGER NOT NULL,
    believed     TEXT    NOT NULL,
    assumption   TEXT    NOT NULL
);
CREATE INDEX outcomes_organization ON outcomes (organization);

-- The outcomes of all duties of a resource, in the order of duties: what thousands of resources share.
CREATE TABLE standings (
    id           INTEGER PRIMARY KEY,
    organization INTEGER NOT NULL REFERENCES organizations (id),
    outcomes     BLOB    NOT NULL -- ids as uvarints
);
CREATE INDEX standings_organization ON standings (organization);

-- The names of the facts that a service declares, in its order.
CREATE TABLE fact_names (
    id           INTEGER PRIMARY KEY,
    organization INTEGER NOT NULL REFERENCES organizations (id),
    names        TEXT    NOT NULL -- JSON
);

-- The versions of resources: a row for each stretch of scans in which one stayed as it was.
CREATE TABLE resources (
    rid          INTEGER PRIMARY KEY,
    organization INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    place        INTEGER NOT NULL,
    standing     INTEGER NOT NULL,
    inside       INTEGER NOT NULL,
    born         INTEGER NOT NULL, -- the first scan that had it, whatever its version
    first        INTEGER NOT NULL,
    ended        INTEGER,
    gone         INTEGER NOT NULL, -- it ended because it was not found any more
    digest       BLOB    NOT NULL, -- of all that makes a version
    fact_names   INTEGER NOT NULL,
    tags         BLOB    NOT NULL,
    facts        BLOB    NOT NULL
);
CREATE UNIQUE INDEX resources_current ON resources (organization, id) WHERE ended IS NULL;
CREATE INDEX resources_past ON resources (organization, id, first) WHERE ended IS NOT NULL;
CREATE INDEX resources_ended ON resources (organization, ended) WHERE ended IS NOT NULL;

-- Duties that changed hands.
CREATE TABLE moves (
    id              INTEGER PRIMARY KEY,
    organization    INTEGER NOT NULL REFERENCES organizations (id),
    scan            INTEGER NOT NULL,
    rid             INTEGER NOT NULL, -- the version after
    resource        TEXT    NOT NULL,
    place           INTEGER NOT NULL,
    before          INTEGER NOT NULL, -- outcomes
    after           INTEGER NOT NULL,
    cause           TEXT    NOT NULL,
    catalog_changed INTEGER NOT NULL,
    changes         BLOB    NOT NULL  -- facts
);
CREATE INDEX moves_scan ON moves (organization, scan);
CREATE INDEX moves_resource ON moves (organization, resource);

-- Findings whose history is not that of their resource. A gap that a resource has had from its first scan on, and still
-- has, has no row.
CREATE TABLE findings (
    id           INTEGER PRIMARY KEY,
    organization INTEGER NOT NULL REFERENCES organizations (id),
    resource     TEXT    NOT NULL,
    rid          INTEGER NOT NULL, -- the version in which it was last seen
    place        INTEGER NOT NULL,
    outcome      INTEGER NOT NULL, -- when it was last seen
    gap          TEXT    NOT NULL,
    check_id     TEXT    NOT NULL,
    severity     INTEGER NOT NULL,
    first        INTEGER NOT NULL,
    last         INTEGER,          -- the last scan that found it, if a later one could not tell any more
    resolved     INTEGER
);
CREATE INDEX findings_resource ON findings (organization, resource);
CREATE INDEX findings_resolved ON findings (organization, resolved);
