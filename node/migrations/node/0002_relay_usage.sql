-- What each member has sent through this machine's relay in one month.
CREATE TABLE relay_usage (
    network INTEGER NOT NULL REFERENCES network (id) ON DELETE CASCADE,
    node    BLOB    NOT NULL CHECK (length(node) = 32),
    month   INTEGER NOT NULL CHECK (month >= 0),
    bytes   INTEGER NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (network, node)
) STRICT, WITHOUT ROWID;
