import type { Migration } from "./statement.ts";

export const workflowMigrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE workflows (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        previous_state TEXT,
        version INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL,
        updated_at_ms INTEGER NOT NULL,
        retry_count INTEGER NOT NULL,
        metadata TEXT NOT NULL,
        hold TEXT,
        held_by TEXT GENERATED ALWAYS AS (hold ->> '$.transactionId'),
        recovering INTEGER NOT NULL GENERATED ALWAYS AS
          (state = 'FAILED' AND coalesce(hold ->> '$.move.targetState' = 'ACTIVE', 0))
      ) STRICT;
      CREATE INDEX workflows_held ON workflows (held_by) WHERE held_by IS NOT NULL;

      -- A rowid is the largest one plus 1, and a rolled back insert leaves none: gapless while the newest event is never deleted.
      CREATE TABLE events (
        sequence INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        workflow_id TEXT NOT NULL,
        type TEXT NOT NULL,
        from_state TEXT,
        to_state TEXT NOT NULL,
        version INTEGER NOT NULL,
        occurred_at_ms INTEGER NOT NULL,
        retry_count INTEGER NOT NULL,
        reason TEXT NOT NULL,
        requested_by TEXT NOT NULL,
        rule_set_revision INTEGER NOT NULL,
        metadata TEXT NOT NULL,
        transaction_id TEXT
      ) STRICT;
      CREATE INDEX events_of_workflow ON events (workflow_id);

      CREATE TABLE answers (
        request_id TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        workflow TEXT NOT NULL,
        event_sequence INTEGER NOT NULL,
        at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX answers_by_age ON answers (at_ms);

      CREATE TABLE outcomes (
        transaction_id TEXT PRIMARY KEY,
        coordinator_id TEXT NOT NULL,
        outcome TEXT NOT NULL,
        at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX aborted_outcomes_by_age ON outcomes (at_ms) WHERE outcome = 'aborted';

      -- One row, kept by the triggers below.
      CREATE TABLE counters (
        workflows INTEGER NOT NULL,
        events INTEGER NOT NULL,
        held INTEGER NOT NULL,
        recovering INTEGER NOT NULL,
        created INTEGER NOT NULL,
        active INTEGER NOT NULL,
        paused INTEGER NOT NULL,
        completed INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        cancelled INTEGER NOT NULL
      ) STRICT;
      INSERT INTO counters VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

      CREATE TRIGGER count_new_workflow AFTER INSERT ON workflows BEGIN
        UPDATE counters SET
          workflows = workflows + 1,
          held = held + (new.held_by IS NOT NULL),
          recovering = recovering + new.recovering,
          created = created + (new.state = 'CREATED'),
          active = active + (new.state = 'ACTIVE'),
          paused = paused + (new.state = 'PAUSED'),
          completed = completed + (new.state = 'COMPLETED'),
          failed = failed + (new.state = 'FAILED'),
          cancelled = cancelled + (new.state = 'CANCELLED');
      END;
      CREATE TRIGGER count_changed_workflow AFTER UPDATE OF state, hold ON workflows BEGIN
        UPDATE counters SET
          held = held + (new.held_by IS NOT NULL) - (old.held_by IS NOT NULL),
          recovering = recovering + new.recovering - old.recovering,
          created = created + (new.state = 'CREATED') - (old.state = 'CREATED'),
          active = active + (new.state = 'ACTIVE') - (old.state = 'ACTIVE'),
          paused = paused + (new.state = 'PAUSED') - (old.state = 'PAUSED'),
          completed = completed + (new.state = 'COMPLETED') - (old.state = 'COMPLETED'),
          failed = failed + (new.state = 'FAILED') - (old.state = 'FAILED'),
          cancelled = cancelled + (new.state = 'CANCELLED') - (old.state = 'CANCELLED');
      END;
      CREATE TRIGGER count_event AFTER INSERT ON events BEGIN
        UPDATE counters SET events = events + 1;
      END`,
  },
  { version: 2, sql: "CREATE TABLE coordinators (id TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT" },
  { version: 3, sql: "ALTER TABLE coordinators ADD COLUMN claim_id TEXT NOT NULL DEFAULT ''" },
  {
    version: 4,
    sql: `
      ALTER TABLE workflows ADD COLUMN workflow_type TEXT NOT NULL DEFAULT '';
      ALTER TABLE workflows ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
      ALTER TABLE workflows ADD COLUMN updated_by TEXT NOT NULL DEFAULT '';
      ALTER TABLE workflows ADD COLUMN state_entered_at_ms INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE events ADD COLUMN workflow_type TEXT NOT NULL DEFAULT '';
      CREATE INDEX workflows_of_type ON workflows (workflow_type, id) WHERE workflow_type <> '';

      -- Until now, each change was a creation or a move.
      UPDATE workflows SET
        created_by = coalesce((SELECT requested_by FROM events
          WHERE workflow_id = workflows.id AND type = 'CREATED' ORDER BY sequence LIMIT 1), ''),
        updated_by = coalesce((SELECT requested_by FROM events
          WHERE workflow_id = workflows.id ORDER BY sequence DESC LIMIT 1), ''),
        state_entered_at_ms = updated_at_ms;
      UPDATE answers SET workflow = json_set(workflow,
        '$.type', '',
        '$.createdBy', coalesce((SELECT created_by FROM workflows WHERE id = workflow ->> '$.id'), ''),
        '$.updatedBy', coalesce((SELECT requested_by FROM events WHERE sequence = event_sequence), ''),
        '$.stateEnteredAtMs', workflow -> '$.updatedAtMs')`,
  },
  {
    version: 5,
    sql: `
      -- NULL: none.
      ALTER TABLE events ADD COLUMN warnings TEXT;
      UPDATE workflows SET hold = json_set(hold, '$.warnings', json('{"first":[],"omitted":0}')) WHERE hold IS NOT NULL`,
  },
  {
    version: 6,
    sql: `
      CREATE TABLE policies (
        workflow_type TEXT PRIMARY KEY,
        revision INTEGER NOT NULL,
        terms TEXT NOT NULL,
        updated_at_ms INTEGER NOT NULL,
        updated_by TEXT NOT NULL,
        reason TEXT NOT NULL
      ) STRICT;
      -- One row: of a policy that is deleted, the revision is not used again.
      CREATE TABLE policy_revision (newest INTEGER NOT NULL) STRICT;
      INSERT INTO policy_revision VALUES (0);
      -- NULL: the answer is a workflow and an event.
      ALTER TABLE answers ADD COLUMN policy TEXT`,
  },
  // NULL: it is no update.
  { version: 7, sql: "ALTER TABLE events ADD COLUMN metadata_patch TEXT" },
  {
    version: 8,
    sql: `
      -- A list is in one of four orders. The state comes first where it changes anyway: lists of all states merge six of these.
      CREATE INDEX workflows_by_state ON workflows (state, id);
      CREATE INDEX workflows_by_updated ON workflows (state, updated_at_ms, id);
      CREATE INDEX workflows_by_version ON workflows (state, version, id);
      CREATE INDEX workflows_by_created ON workflows (created_at_ms, id);
      CREATE INDEX workflows_of_type_by_state ON workflows (workflow_type, state, id) WHERE workflow_type <> '';
      CREATE INDEX workflows_of_type_by_updated ON workflows (workflow_type, updated_at_ms, id) WHERE workflow_type <> '';
      CREATE INDEX workflows_of_type_by_created ON workflows (workflow_type, created_at_ms, id) WHERE workflow_type <> '';

      -- Kept by the triggers below.
      CREATE TABLE type_counters (
        workflow_type TEXT NOT NULL,
        state TEXT NOT NULL,
        workflows INTEGER NOT NULL,
        PRIMARY KEY (workflow_type, state)
      ) STRICT, WITHOUT ROWID;
      INSERT INTO type_counters SELECT workflow_type, state, count(*) FROM workflows GROUP BY workflow_type, state;

      CREATE TRIGGER count_new_type AFTER INSERT ON workflows BEGIN
        INSERT INTO type_counters VALUES (new.workflow_type, new.state, 1) ON CONFLICT DO UPDATE SET workflows = workflows + 1;
      END;
      CREATE TRIGGER count_changed_type AFTER UPDATE OF state ON workflows WHEN new.state <> old.state BEGIN
        UPDATE type_counters SET workflows = workflows - 1 WHERE workflow_type = old.workflow_type AND state = old.state;
        INSERT INTO type_counters VALUES (new.workflow_type, new.state, 1) ON CONFLICT DO UPDATE SET workflows = workflows + 1;
      END;
      CREATE TRIGGER count_gone_type AFTER DELETE ON workflows BEGIN
        UPDATE type_counters SET workflows = workflows - 1 WHERE workflow_type = old.workflow_type AND state = old.state;
        DELETE FROM type_counters WHERE workflow_type = old.workflow_type AND state = old.state AND workflows = 0;
      END`,
  },
  {
    version: 9,
    sql: `
      -- One row, as long as the file lives: names the store to those who get its events.
      CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL) STRICT;
      INSERT INTO store (one, id) VALUES (1, lower(hex(randomblob(16))))`,
  },
  {
    version: 10,
    sql: `
      -- Purging makes holes: what was written last is counted, and so is where the last hole is.
      ALTER TABLE counters ADD COLUMN newest_sequence INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE counters ADD COLUMN purged_sequence INTEGER NOT NULL DEFAULT 0;
      UPDATE counters SET newest_sequence = (SELECT coalesce(max(sequence), 0) FROM events);

      DROP TRIGGER count_event;
      CREATE TRIGGER count_event AFTER INSERT ON events BEGIN
        UPDATE counters SET events = events + 1, newest_sequence = new.sequence;
      END;
      CREATE TRIGGER count_purged_event AFTER DELETE ON events BEGIN
        UPDATE counters SET events = events - 1, purged_sequence = max(purged_sequence, old.sequence);
      END;
      CREATE TRIGGER count_purged_workflow AFTER DELETE ON workflows BEGIN
        UPDATE counters SET
          workflows = workflows - 1,
          held = held - (old.held_by IS NOT NULL),
          recovering = recovering - old.recovering,
          created = created - (old.state = 'CREATED'),
          active = active - (old.state = 'ACTIVE'),
          paused = paused - (old.state = 'PAUSED'),
          completed = completed - (old.state = 'COMPLETED'),
          failed = failed - (old.state = 'FAILED'),
          cancelled = cancelled - (old.state = 'CANCELLED');
      END;

      -- Of what is gone: its id is refused to others.
      CREATE TABLE purged_workflows (id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      CREATE INDEX ended_workflows ON workflows (workflow_type, state_entered_at_ms, id) WHERE state IN ('COMPLETED', 'CANCELLED');
      CREATE INDEX answers_of_events ON answers (event_sequence);
      CREATE INDEX outcomes_of_coordinator ON outcomes (coordinator_id, at_ms)`,
  },
  {
    version: 11,
    sql: `
      ALTER TABLE workflows ADD COLUMN recoverable_at_ms INTEGER;
      ALTER TABLE workflows ADD COLUMN deadline_at_ms INTEGER;
      ALTER TABLE workflows ADD COLUMN deadline TEXT;
      ALTER TABLE events ADD COLUMN deadline TEXT;
      -- What falls due, in its order. What is held waits for the end of the hold, and comes back then.
      CREATE INDEX workflows_due ON workflows (deadline_at_ms, id) WHERE deadline_at_ms IS NOT NULL AND held_by IS NULL`,
  },
  {
    version: 12,
    sql: `
      -- A transaction may hold several.
      DROP INDEX workflows_held;
      CREATE INDEX workflows_held ON workflows (held_by, id) WHERE held_by IS NOT NULL`,
  },
  {
    version: 13,
    sql: `
      -- NULL: none.
      ALTER TABLE events ADD COLUMN bulk_operation_id TEXT;

      CREATE TABLE bulk_operations (
        id TEXT PRIMARY KEY,
        filter TEXT NOT NULL,
        action TEXT NOT NULL,
        dry_run INTEGER NOT NULL,
        rate_per_second INTEGER NOT NULL,
        state TEXT NOT NULL,
        done_count INTEGER NOT NULL DEFAULT 0,
        refused_count INTEGER NOT NULL DEFAULT 0,
        position TEXT NOT NULL,
        reason TEXT NOT NULL,
        requested_by TEXT NOT NULL,
        request_id TEXT UNIQUE,
        request_digest TEXT,
        created_at_ms INTEGER NOT NULL,
        state_entered_at_ms INTEGER NOT NULL
      ) STRICT;

      -- One of each workflow at most: who is here was acted on. Without an error it was done, of a dry run with sequence 0.
      CREATE TABLE bulk_results (
        operation_id TEXT NOT NULL,
        workflow_id TEXT NOT NULL,
        sequence INTEGER,
        error TEXT,
        PRIMARY KEY (operation_id, workflow_id)
      ) STRICT, WITHOUT ROWID;
      CREATE TRIGGER count_bulk_result AFTER INSERT ON bulk_results BEGIN
        UPDATE bulk_operations SET
          done_count = done_count + (new.error IS NULL),
          refused_count = refused_count + (new.error IS NOT NULL)
        WHERE id = new.operation_id;
      END`,
  },
  {
    version: 14,
    sql: `
      -- Which keys the policies ask for an index of: 'waiting' to be made, 'walking', or 'ready'. Kept by triggers.
      CREATE TABLE metadata_keys (
        workflow_type TEXT NOT NULL,
        key TEXT NOT NULL,
        progress TEXT NOT NULL DEFAULT 'waiting',
        PRIMARY KEY (workflow_type, key)
      ) STRICT, WITHOUT ROWID;
      -- One row: up to which workflow those that are walking have come.
      CREATE TABLE metadata_walk (after_id TEXT NOT NULL) STRICT;
      INSERT INTO metadata_walk VALUES ('');

      -- Texts, up to 256 characters, numbers as REAL, and bools as blobs, which are equal to no number. Each row is true of its workflow as it is.
      CREATE TABLE workflow_metadata (
        key TEXT NOT NULL,
        value ANY NOT NULL,
        workflow_id TEXT NOT NULL,
        PRIMARY KEY (key, value, workflow_id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX metadata_of_workflow ON workflow_metadata (workflow_id);

      -- What is to be indexed of each workflow, by its type's own policy or the one for all.
      CREATE VIEW indexed_metadata AS
        SELECT key_of.key AS key,
          CASE value_of.type
            WHEN 'true' THEN x'01'
            WHEN 'false' THEN x'00'
            WHEN 'text' THEN substr(value_of.value, 1, 256)
            ELSE CAST(value_of.value AS REAL)
          END AS value,
          workflows.id AS workflow_id
        FROM workflows
          CROSS JOIN metadata_keys key_of ON key_of.workflow_type =
            CASE WHEN EXISTS (SELECT 1 FROM policies WHERE policies.workflow_type = workflows.workflow_type)
              THEN workflows.workflow_type ELSE '' END
          CROSS JOIN json_each(workflows.metadata) value_of ON value_of.key = key_of.key
        WHERE value_of.type IN ('true', 'false', 'text', 'integer', 'real');

      CREATE TRIGGER index_new_metadata AFTER INSERT ON workflows WHEN EXISTS (SELECT 1 FROM metadata_keys) BEGIN
        INSERT INTO workflow_metadata SELECT * FROM indexed_metadata WHERE workflow_id = new.id ON CONFLICT DO NOTHING;
      END;
      CREATE TRIGGER index_changed_metadata AFTER UPDATE OF metadata ON workflows WHEN new.metadata <> old.metadata BEGIN
        DELETE FROM workflow_metadata WHERE workflow_id = old.id;
        INSERT INTO workflow_metadata SELECT * FROM indexed_metadata WHERE workflow_id = new.id ON CONFLICT DO NOTHING;
      END;
      CREATE TRIGGER index_no_metadata AFTER DELETE ON workflows BEGIN
        DELETE FROM workflow_metadata WHERE workflow_id = old.id;
      END;

      CREATE TRIGGER keys_of_new_policy AFTER INSERT ON policies BEGIN
        INSERT INTO metadata_keys (workflow_type, key)
          SELECT new.workflow_type, value FROM json_each(new.terms, '$.indexedMetadata') WHERE true ON CONFLICT DO NOTHING;
      END;
      CREATE TRIGGER keys_of_changed_policy AFTER UPDATE OF terms ON policies BEGIN
        DELETE FROM metadata_keys
          WHERE workflow_type = new.workflow_type AND key NOT IN (SELECT value FROM json_each(new.terms, '$.indexedMetadata'));
        INSERT INTO metadata_keys (workflow_type, key)
          SELECT new.workflow_type, value FROM json_each(new.terms, '$.indexedMetadata') WHERE true ON CONFLICT DO NOTHING;
      END;
      -- The one for all holds for workflows for which it has not held.
      CREATE TRIGGER keys_of_no_policy AFTER DELETE ON policies BEGIN
        DELETE FROM metadata_keys WHERE workflow_type = old.workflow_type;
        UPDATE metadata_keys SET progress = 'waiting' WHERE workflow_type = '';
      END`,
  },
  {
    version: 15,
    sql: `
      -- Empty: nobody has proved anything.
      ALTER TABLE events ADD COLUMN authenticated_as TEXT NOT NULL DEFAULT '';
      ALTER TABLE policies ADD COLUMN authenticated_as TEXT NOT NULL DEFAULT '';
      ALTER TABLE bulk_operations ADD COLUMN authenticated_as TEXT NOT NULL DEFAULT ''`,
  },
  {
    version: 16,
    sql: `
      -- Who has proved to create it. Empty: nobody has proved anything.
      ALTER TABLE workflows ADD COLUMN created_as TEXT NOT NULL DEFAULT '';
      UPDATE workflows SET created_as = authenticated_as FROM events
        WHERE workflow_id = workflows.id AND type = 'CREATED' AND authenticated_as <> '';

      -- How many workflows that are there each has created. Kept by the triggers below.
      CREATE TABLE creators (principal TEXT PRIMARY KEY, workflows INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      INSERT INTO creators SELECT created_as, count(*) FROM workflows WHERE created_as <> '' GROUP BY created_as;
      CREATE TRIGGER count_new_creation AFTER INSERT ON workflows WHEN new.created_as <> '' BEGIN
        INSERT INTO creators VALUES (new.created_as, 1) ON CONFLICT DO UPDATE SET workflows = workflows + 1;
      END;
      CREATE TRIGGER count_gone_creation AFTER DELETE ON workflows WHEN old.created_as <> '' BEGIN
        UPDATE creators SET workflows = workflows - 1 WHERE principal = old.created_as;
        DELETE FROM creators WHERE principal = old.created_as AND workflows = 0;
      END`,
  },
];
