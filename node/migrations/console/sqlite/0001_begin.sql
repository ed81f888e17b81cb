-- 'HOLC': tells a console's store from any other database.
PRAGMA application_id = 1213156419;

-- The machines that share this console.
CREATE TABLE machine (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    key         TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    events_seen INTEGER NOT NULL DEFAULT 0,
    looked      INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE network (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    network_id TEXT    NOT NULL UNIQUE,
    label      TEXT    NOT NULL
) STRICT;

CREATE TABLE node (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    network    INTEGER NOT NULL REFERENCES network (id) ON DELETE CASCADE,
    node_id    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    rights     TEXT    NOT NULL,
    is_member  INTEGER NOT NULL CHECK (is_member IN (0, 1)),
    is_relay   INTEGER NOT NULL CHECK (is_relay IN (0, 1)),
    is_well    INTEGER NOT NULL CHECK (is_well IN (0, 1)),
    first_seen INTEGER NOT NULL,
    changed    INTEGER NOT NULL,
    UNIQUE (network, node_id)
) STRICT;

-- Each machine as the member that it is: its figures are the sums of what it carries.
CREATE TABLE carrier (
    machine INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    node    INTEGER NOT NULL REFERENCES node (id) ON DELETE CASCADE,
    PRIMARY KEY (machine, node)
) STRICT, WITHOUT ROWID;

-- Figures of one step, as one machine saw them; sums, so that steps can be added up.
CREATE TABLE sample (
    node       INTEGER NOT NULL REFERENCES node (id) ON DELETE CASCADE,
    step       INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    machine    INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    looks      INTEGER NOT NULL,
    reached    INTEGER NOT NULL,
    rtt_looks  INTEGER NOT NULL,
    rtt_us     INTEGER NOT NULL,
    rtt_max_us INTEGER NOT NULL,
    rx_bytes   INTEGER NOT NULL,
    tx_bytes   INTEGER NOT NULL,
    dropped    INTEGER NOT NULL,
    load_looks INTEGER NOT NULL,
    load       INTEGER NOT NULL,
    members    INTEGER NOT NULL,
    PRIMARY KEY (node, step, at, machine)
) STRICT, WITHOUT ROWID;
CREATE INDEX sample_age ON sample (step, at);

CREATE TABLE connection (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    machine  INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    node     INTEGER NOT NULL REFERENCES node (id) ON DELETE CASCADE,
    path     TEXT    NOT NULL CHECK (path IN ('direct', 'relay')),
    via      TEXT,
    began    INTEGER NOT NULL,
    ended    INTEGER,
    rx_bytes INTEGER NOT NULL,
    tx_bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX connection_node ON connection (node, id);
CREATE INDEX connection_lasting ON connection (machine, node) WHERE ended IS NULL;
CREATE INDEX connection_ended ON connection (ended);

CREATE TABLE event (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    machine      INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    source       INTEGER NOT NULL,
    recorded     INTEGER NOT NULL,
    time         TEXT    NOT NULL,
    severity     TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    network      TEXT,
    text         TEXT    NOT NULL,
    fields       TEXT    NOT NULL,
    handled_at   INTEGER,
    handled_by   TEXT,
    handled_note TEXT,
    UNIQUE (machine, source)
) STRICT;
CREATE INDEX event_open ON event (id) WHERE handled_at IS NULL;

CREATE TABLE deed (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    machine INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    time    INTEGER NOT NULL,
    who     TEXT    NOT NULL,
    role    TEXT,
    origin  TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    outcome TEXT    NOT NULL
) STRICT;

CREATE TABLE account (
    name      TEXT PRIMARY KEY,
    role      TEXT    NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    password  TEXT    NOT NULL,
    totp      TEXT,
    totp_next TEXT,
    totp_used INTEGER NOT NULL DEFAULT 0,
    created   INTEGER NOT NULL,
    signed_in INTEGER
) STRICT;
