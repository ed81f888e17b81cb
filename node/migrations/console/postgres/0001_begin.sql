-- The machines that share this console.
CREATE TABLE machine (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key         TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    events_seen BIGINT NOT NULL DEFAULT 0,
    looked      BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE network (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    network_id TEXT    NOT NULL UNIQUE,
    label      TEXT    NOT NULL
);

CREATE TABLE node (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    network    BIGINT NOT NULL REFERENCES network (id) ON DELETE CASCADE,
    node_id    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    rights     TEXT    NOT NULL,
    is_member  BIGINT NOT NULL CHECK (is_member IN (0, 1)),
    is_relay   BIGINT NOT NULL CHECK (is_relay IN (0, 1)),
    is_well    BIGINT NOT NULL CHECK (is_well IN (0, 1)),
    first_seen BIGINT NOT NULL,
    changed    BIGINT NOT NULL,
    UNIQUE (network, node_id)
);

-- Each machine as the member that it is: its figures are the sums of what it carries.
CREATE TABLE carrier (
    machine BIGINT NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    node    BIGINT NOT NULL REFERENCES node (id) ON DELETE CASCADE,
    PRIMARY KEY (machine, node)
);

-- Figures of one step, as one machine saw them; sums, so that steps can be added up.
CREATE TABLE sample (
    node       BIGINT NOT NULL REFERENCES node (id) ON DELETE CASCADE,
    step       BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    machine    BIGINT NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    looks      BIGINT NOT NULL,
    reached    BIGINT NOT NULL,
    rtt_looks  BIGINT NOT NULL,
    rtt_us     BIGINT NOT NULL,
    rtt_max_us BIGINT NOT NULL,
    rx_bytes   BIGINT NOT NULL,
    tx_bytes   BIGINT NOT NULL,
    dropped    BIGINT NOT NULL,
    load_looks BIGINT NOT NULL,
    load       BIGINT NOT NULL,
    members    BIGINT NOT NULL,
    PRIMARY KEY (node, step, at, machine)
);
CREATE INDEX sample_age ON sample (step, at);

CREATE TABLE connection (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    machine  BIGINT NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    node     BIGINT NOT NULL REFERENCES node (id) ON DELETE CASCADE,
    path     TEXT    NOT NULL CHECK (path IN ('direct', 'relay')),
    via      TEXT,
    began    BIGINT NOT NULL,
    ended    BIGINT,
    rx_bytes BIGINT NOT NULL,
    tx_bytes BIGINT NOT NULL
);
CREATE INDEX connection_node ON connection (node, id);
CREATE INDEX connection_lasting ON connection (machine, node) WHERE ended IS NULL;
CREATE INDEX connection_ended ON connection (ended);

CREATE TABLE event (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    machine      BIGINT NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    source       BIGINT NOT NULL,
    recorded     BIGINT  NOT NULL,
    time         TEXT    NOT NULL,
    severity     TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    network      TEXT,
    text         TEXT    NOT NULL,
    fields       TEXT    NOT NULL,
    handled_at   BIGINT,
    handled_by   TEXT,
    handled_note TEXT,
    UNIQUE (machine, source)
);
CREATE INDEX event_open ON event (id) WHERE handled_at IS NULL;

CREATE TABLE deed (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    machine BIGINT NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    time    BIGINT NOT NULL,
    who     TEXT    NOT NULL,
    role    TEXT,
    origin  TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    outcome TEXT    NOT NULL
);

CREATE TABLE account (
    name      TEXT PRIMARY KEY,
    role      TEXT    NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    password  TEXT    NOT NULL,
    totp      TEXT,
    totp_next TEXT,
    totp_used BIGINT NOT NULL DEFAULT 0,
    created   BIGINT NOT NULL,
    signed_in BIGINT
);
