-- Whether the networks run; without a row they do.
CREATE TABLE switch (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    is_on INTEGER NOT NULL CHECK (is_on IN (0, 1))
) STRICT;

-- Tells this machine from others that share a console.
CREATE TABLE machine (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    key TEXT    NOT NULL
) STRICT;
INSERT INTO machine (id, key) VALUES (1, lower(hex(randomblob(16))));
