-- What a node keeps: packets under their HarborID until they expire. Nothing about who brought them.

CREATE TABLE meta (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    log   BLOB    NOT NULL,              -- random name of this log, 16 bytes; part of every cursor
    probe INTEGER NOT NULL DEFAULT 0     -- written to find out whether the disk works again
) STRICT;

INSERT INTO meta (one, log) VALUES (1, randomblob(16));

CREATE TABLE mailbox (
    id        INTEGER PRIMARY KEY,
    harbor_id BLOB    NOT NULL UNIQUE,
    packets   INTEGER NOT NULL,          -- what it holds now, for its quota
    bytes     INTEGER NOT NULL
) STRICT;

-- AUTOINCREMENT: a number is never given twice, or a reader's cursor would skip a packet.
CREATE TABLE packet (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox INTEGER NOT NULL,
    expiry  INTEGER NOT NULL,            -- hours since 1970
    tag     INTEGER NOT NULL,            -- first 8 bytes of the PacketID; finds duplicates, decides nothing
    body    BLOB    NOT NULL             -- the packet without HarborID and expiry, which stand above
) STRICT;

CREATE INDEX packet_by_mailbox ON packet (mailbox);
CREATE INDEX packet_by_tag     ON packet (tag);
CREATE INDEX packet_by_expiry  ON packet (expiry);
