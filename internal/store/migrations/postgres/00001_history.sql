-- The history of scans. Times are microseconds since 1970 in UTC, days are their first microsecond. Ids of rows are given
-- by the program, under the lock of the one writer. A row with first and ended is so from the scan first on, until the
-- scan ended found it otherwise.

-- +goose Up
CREATE TABLE organizations (
    id   BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE scans (
    id           BIGINT PRIMARY KEY,
    organization BIGINT NOT NULL REFERENCES organizations (id),
    finished     BIGINT NOT NULL,
    as_of        BIGINT NOT NULL,
    catalog      TEXT    NOT NULL,
    estate       TEXT    NOT NULL,
    documents    BIGINT NOT NULL,
    incomplete   BIGINT NOT NULL,
    resources    BIGINT NOT NULL,
    stale        BIGINT NOT NULL,
    added        BIGINT NOT NULL,
    changed      BIGINT NOT NULL,
    removed      BIGINT NOT NULL,
    moves        BIGINT NOT NULL,
    opened       BIGINT NOT NULL,
    resolved     BIGINT NOT NULL,
    sources      TEXT    NOT NULL, -- JSON
    pruned       BIGINT  NOT NULL  -- only its time is left
);
CREATE INDEX scans_organization ON scans (organization, id);

-- The catalogs and estates that scans rest on, once for each digest.
CREATE TABLE contents (
    organization BIGINT NOT NULL REFERENCES organizations (id),
    kind         TEXT    NOT NULL,
    digest       TEXT    NOT NULL,
    data         BYTEA    NOT NULL,
    PRIMARY KEY (organization, kind, digest)
);

-- Where resources are and what they are: what thousands of them share.
CREATE TABLE places (
    id           BIGINT PRIMARY KEY,
    organization BIGINT NOT NULL REFERENCES organizations (id),
    provider     TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    account      TEXT    NOT NULL,
    region       TEXT    NOT NULL,
    type         TEXT    NOT NULL,
    service      TEXT    NOT NULL,
    model        TEXT    NOT NULL,
    archetype    TEXT    NOT NULL,
    implied      BIGINT NOT NULL
);
CREATE INDEX places_organization ON places (organization);

-- Places that scans did not look at, though they have resources.
CREATE TABLE unlooked (
    organization BIGINT NOT NULL REFERENCES organizations (id),
    place        BIGINT NOT NULL REFERENCES places (id),
    first        BIGINT NOT NULL,
    ended        BIGINT,
    PRIMARY KEY (organization, place, first)
);

-- Who holds a duty and why; whether it is done; the two together, with team and belief, are an outcome.
CREATE TABLE assignments (
    id           BIGINT PRIMARY KEY,
    organization BIGINT NOT NULL REFERENCES organizations (id),
    body         TEXT    NOT NULL -- JSON of demarc.Assignment
);
CREATE INDEX assignments_organization ON assignments (organization);

CREATE TABLE verdicts (
    id           BIGINT PRIMARY KEY,
    organization BIGINT NOT NULL REFERENCES organizations (id),
    body         TEXT    NOT NULL -- JSON of demarc.Verdict
);
CREATE INDEX verdicts_organization ON verdicts (organization);

CREATE TABLE outcomes (
    id           BIGINT PRIMARY KEY,
    organization BIGINT NOT NULL REFERENCES organizations (id),
    assignment   BIGINT NOT NULL REFERENCES assignments (id) DEFERRABLE INITIALLY DEFERRED,
    verdict      BIGINT NOT NULL REFERENCES verdicts (id) DEFERRABLE INITIALLY DEFERRED,
    team         TEXT    NOT NULL,
    teamless     BIGINT NOT NULL,
    believed     TEXT    NOT NULL,
    assumption   TEXT    NOT NULL
);
CREATE INDEX outcomes_organization ON outcomes (organization);

-- The outcomes of all duties of a resource, in the order of duties: what thousands of resources share.
CREATE TABLE standings (
    id           BIGINT PRIMARY KEY,
    organization BIGINT NOT NULL REFERENCES organizations (id),
    outcomes     BYTEA    NOT NULL -- ids as uvarints
);
CREATE INDEX standings_organization ON standings (organization);

-- The names of the facts that a service declares, in its order.
CREATE TABLE fact_names (
    id           BIGINT PRIMARY KEY,
    organization BIGINT NOT NULL REFERENCES organizations (id),
    names        TEXT    NOT NULL -- JSON
);

-- The versions of resources: a row for each stretch of scans in which one stayed as it was.
CREATE TABLE resources (
    rid          BIGINT PRIMARY KEY,
    organization BIGINT NOT NULL,
    id           TEXT    COLLATE "C" NOT NULL,
    name         TEXT    NOT NULL,
    place        BIGINT NOT NULL,
    standing     BIGINT NOT NULL,
    inside       BIGINT NOT NULL,
    born         BIGINT NOT NULL, -- the first scan that had it, whatever its version
    first        BIGINT NOT NULL,
    ended        BIGINT,
    gone         BIGINT NOT NULL, -- it ended because it was not found any more
    digest       BYTEA    NOT NULL, -- of all that makes a version
    fact_names   BIGINT NOT NULL,
    tags         BYTEA    NOT NULL,
    facts        BYTEA    NOT NULL
);
CREATE UNIQUE INDEX resources_current ON resources (organization, id) WHERE ended IS NULL;
CREATE INDEX resources_past ON resources (organization, id, first) WHERE ended IS NOT NULL;
CREATE INDEX resources_ended ON resources (organization, ended) WHERE ended IS NOT NULL;

-- Duties that changed hands.
CREATE TABLE moves (
    id              BIGINT PRIMARY KEY,
    organization    BIGINT NOT NULL REFERENCES organizations (id),
    scan            BIGINT NOT NULL,
    rid             BIGINT NOT NULL, -- the version after
    resource        TEXT    NOT NULL,
    place           BIGINT NOT NULL,
    before          BIGINT NOT NULL, -- outcomes
    after           BIGINT NOT NULL,
    cause           TEXT    NOT NULL,
    catalog_changed BIGINT NOT NULL,
    changes         BYTEA    NOT NULL  -- facts
);
CREATE INDEX moves_scan ON moves (organization, scan);
CREATE INDEX moves_resource ON moves (organization, resource);

-- Findings whose history is not that of their resource. A gap that a resource has had from its first scan on, and still
-- has, has no row.
CREATE TABLE findings (
    id           BIGINT PRIMARY KEY,
    organization BIGINT NOT NULL REFERENCES organizations (id),
    resource     TEXT    NOT NULL,
    rid          BIGINT NOT NULL, -- the version in which it was last seen
    place        BIGINT NOT NULL,
    outcome      BIGINT NOT NULL, -- when it was last seen
    gap          TEXT    NOT NULL,
    check_id     TEXT    NOT NULL,
    severity     BIGINT NOT NULL,
    first        BIGINT NOT NULL,
    last         BIGINT,          -- the last scan that found it, if a later one could not tell any more
    resolved     BIGINT
);
CREATE INDEX findings_resource ON findings (organization, resource);
CREATE INDEX findings_resolved ON findings (organization, resolved);
