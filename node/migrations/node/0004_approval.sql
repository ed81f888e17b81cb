-- Whether somebody has to approve of the machine that redeems an invite, and of which one somebody has.
ALTER TABLE invite ADD COLUMN needs_approval INTEGER NOT NULL DEFAULT 0 CHECK (needs_approval IN (0, 1));
ALTER TABLE invite ADD COLUMN approved       BLOB CHECK (approved IS NULL OR (length(approved) = 32 AND needs_approval = 1));
