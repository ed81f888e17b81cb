-- 'HOLW': tells a store of ours from any other database.
PRAGMA application_id = 1213156439;

CREATE TABLE network (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    position     INTEGER NOT NULL UNIQUE CHECK (position >= 0),
    label        TEXT    NOT NULL UNIQUE,
    network_id   BLOB    NOT NULL UNIQUE CHECK (length(network_id) = 32),
    origin       TEXT    NOT NULL CHECK (origin IN ('founded', 'joined')),
    since        INTEGER NOT NULL,
    interface    TEXT,
    data_port    INTEGER CHECK (data_port BETWEEN 1 AND 65535),
    control_tcp  INTEGER CHECK (control_tcp BETWEEN 1 AND 65535),
    control_quic INTEGER CHECK (control_quic BETWEEN 1 AND 65535),
    chain        BLOB    NOT NULL
) STRICT;

-- The overlay prefix is made of these bytes; two networks with one prefix cannot share a machine.
CREATE UNIQUE INDEX network_prefix ON network (substr(network_id, 1, 4));

CREATE TABLE bootstrap (
    network  INTEGER NOT NULL REFERENCES network (id) ON DELETE CASCADE,
    ordinal  INTEGER NOT NULL,
    host     TEXT    NOT NULL,
    tcp      INTEGER NOT NULL CHECK (tcp BETWEEN 0 AND 65535),
    quic     INTEGER NOT NULL CHECK (quic BETWEEN 0 AND 65535),
    PRIMARY KEY (network, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE invite (
    network     INTEGER NOT NULL REFERENCES network (id) ON DELETE CASCADE,
    id          BLOB    NOT NULL CHECK (length(id) = 10),
    label       TEXT,
    rights      INTEGER NOT NULL CHECK (rights BETWEEN 0 AND 255),
    groups      TEXT    NOT NULL CHECK (json_valid(groups)),
    created     INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('unspent', 'spent', 'withdrawn')),
    redeemed_by BLOB    CHECK (length(redeemed_by) = 32),
    PRIMARY KEY (network, id),
    CHECK ((state = 'spent') = (redeemed_by IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- The signer is empty where one publication holds for each subject; NULLs would not be unique.
CREATE TABLE publication (
    network INTEGER NOT NULL REFERENCES network (id) ON DELETE CASCADE,
    kind    INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 255),
    subject BLOB    NOT NULL CHECK (length(subject) = 32),
    signer  BLOB    NOT NULL CHECK (length(signer) IN (0, 32)),
    bytes   BLOB    NOT NULL,
    PRIMARY KEY (network, kind, subject, signer)
) STRICT;

CREATE TABLE blocked (
    network INTEGER NOT NULL REFERENCES network (id) ON DELETE CASCADE,
    node    BLOB    NOT NULL CHECK (length(node) = 32),
    PRIMARY KEY (network, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    time     INTEGER NOT NULL,
    severity TEXT    NOT NULL CHECK (severity IN ('info', 'warn', 'security')),
    kind     TEXT    NOT NULL,
    network  TEXT,
    text     TEXT    NOT NULL,
    fields   TEXT    NOT NULL CHECK (json_valid(fields))
) STRICT;
