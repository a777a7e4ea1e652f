import type { Migration } from "./statement.ts";

/** The last revision of what is a member still: behind all revisions, and exact in JavaScript. */
export const openEnd = Number.MAX_SAFE_INTEGER;

/** The rule of schema version 1 that this JSON is, as a version; nobody had written down who wrote it. */
const versionIn = (rule: string): string => `json_set(
  json_remove(${rule}, '$.state', '$.updatedAtMs', '$.requestedBy', '$.reason'),
  '$.workflowTypes', json('[]'), '$.condition', '', '$.action', 'DENY', '$.createdBy', json(${rule} -> '$.requestedBy'))`;

/** How that rule stands. A rule had one version. */
const standingIn = (rule: string): string => `json_object(
  'id', json(${rule} -> '$.id'),
  'state', ${rule} ->> '$.state',
  'latestVersion', ${rule} ->> '$.version',
  'activeVersion', iif(${rule} ->> '$.state' = 'ACTIVE', ${rule} ->> '$.version', NULL),
  'shadowVersion', NULL,
  'hasJudged', json(iif(${rule} ->> '$.state' = 'DRAFT', 'false', 'true')),
  'updatedAtMs', ${rule} ->> '$.updatedAtMs',
  'requestedBy', json(${rule} -> '$.requestedBy'),
  'reason', json(${rule} -> '$.reason'))`;

export const ruleMigrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
      -- state is beside the rule for the compare-and-set; everything else of a version stays as it was created.
      CREATE TABLE rules (
        id TEXT NOT NULL,
        version INTEGER NOT NULL,
        state TEXT NOT NULL,
        rule TEXT NOT NULL,
        PRIMARY KEY (id, version)
      ) STRICT;

      -- One row.
      CREATE TABLE rule_set (revision INTEGER NOT NULL) STRICT;
      INSERT INTO rule_set VALUES (0);

      CREATE TABLE answers (
        request_id TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        rule TEXT NOT NULL,
        revision INTEGER NOT NULL,
        at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX answers_by_age ON answers (at_ms)`,
  },
  {
    version: 2,
    sql: `
      -- Rules, facts, workflow types and tests. A version never changes; one that was removed is gone, and stays for the history.
      CREATE TABLE versions (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        gone INTEGER NOT NULL DEFAULT 0,
        content TEXT NOT NULL
      ) STRICT;
      CREATE UNIQUE INDEX versions_there ON versions (kind, name, version) WHERE NOT gone;

      -- Of the rules that are there.
      CREATE TABLE standings (
        id TEXT PRIMARY KEY,
        standing TEXT NOT NULL,
        latest_version INTEGER NOT NULL GENERATED ALWAYS AS (standing ->> '$.latestVersion'),
        idle INTEGER NOT NULL GENERATED ALWAYS AS (standing ->> '$.state' NOT IN ('ACTIVE', 'SHADOW'))
      ) STRICT;

      -- Which versions were the rule set: from from_revision on, no more in to_revision; ${openEnd}: still.
      CREATE TABLE members (
        to_revision INTEGER NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        role TEXT NOT NULL,
        from_revision INTEGER NOT NULL,
        version_id INTEGER NOT NULL,
        PRIMARY KEY (to_revision, kind, name, role)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX members_of_version ON members (version_id);

      CREATE TABLE changes (sequence INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT;

      -- The differences of a change. An id of 0: it was not there, or is not there any more.
      CREATE TABLE change_items (
        sequence INTEGER NOT NULL,
        place INTEGER NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        before_version INTEGER NOT NULL,
        before_id INTEGER NOT NULL CHECK ((before_id = 0) = (before_version = 0)),
        before_role TEXT,
        after_version INTEGER NOT NULL,
        after_id INTEGER NOT NULL,
        after_role TEXT,
        PRIMARY KEY (sequence, place)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX changes_of_name ON change_items (name, sequence);

      ALTER TABLE rule_set ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
      -- Of those before it nothing is known.
      ALTER TABLE rule_set ADD COLUMN oldest_revision INTEGER NOT NULL DEFAULT 0;
      -- Kept by the triggers below.
      ALTER TABLE rule_set ADD COLUMN idle_rules INTEGER NOT NULL DEFAULT 0;
      CREATE TRIGGER count_new_rule AFTER INSERT ON standings BEGIN
        UPDATE rule_set SET idle_rules = idle_rules + new.idle;
      END;
      CREATE TRIGGER count_changed_rule AFTER UPDATE ON standings BEGIN
        UPDATE rule_set SET idle_rules = idle_rules + new.idle - old.idle;
      END;
      CREATE TRIGGER count_removed_rule AFTER DELETE ON standings BEGIN
        UPDATE rule_set SET idle_rules = idle_rules - old.idle;
      END;

      INSERT INTO versions (kind, name, version, content) SELECT 'RULE', id, version, ${versionIn("rule")} FROM rules ORDER BY id;
      INSERT INTO standings (id, standing) SELECT id, ${standingIn("rule")} FROM rules;
      INSERT INTO members (to_revision, kind, name, role, from_revision, version_id)
        SELECT ${openEnd}, 'RULE', rules.id, 'ACTIVE', revision, versions.id
        FROM rules JOIN versions ON versions.name = rules.id JOIN rule_set WHERE state = 'ACTIVE';
      -- Some time before.
      INSERT INTO members (to_revision, kind, name, role, from_revision, version_id)
        SELECT revision, 'RULE', rules.id, 'ACTIVE', 0, versions.id
        FROM rules JOIN versions ON versions.name = rules.id JOIN rule_set WHERE state IN ('INACTIVE', 'DEPRECATED');
      INSERT INTO changes (sequence, entry)
        SELECT 1, json_object(
          'revision', revision,
          'kind', 'IMPORTED',
          'changedAtMs', CAST(unixepoch('subsec') * 1000 AS INTEGER),
          'requestedBy', 'concord',
          'reason', 'These rules are older than the history.')
        FROM rule_set WHERE EXISTS (SELECT 1 FROM rules);
      INSERT INTO change_items
        (sequence, place, kind, name, before_version, before_id, before_role, after_version, after_id, after_role)
        SELECT 1, row_number() OVER (ORDER BY rules.id), 'RULE', rules.id, 0, 0, NULL,
          rules.version, versions.id, iif(state = 'ACTIVE', 'ACTIVE', 'DRAFT')
        FROM rules JOIN versions ON versions.name = rules.id;
      UPDATE rule_set SET oldest_revision = revision, sequence = (SELECT count(*) FROM changes);
      DROP TABLE rules;

      ALTER TABLE answers RENAME TO old_answers;
      DROP INDEX answers_by_age;
      CREATE TABLE answers (
        request_id TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        answer TEXT NOT NULL,
        at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX answers_by_age ON answers (at_ms);
      INSERT INTO answers (request_id, digest, answer, at_ms)
        SELECT request_id, digest, json_object(
          'ruleSetRevision', revision,
          'rule', json_object('version', ${versionIn("rule")}, 'standing', ${standingIn("rule")})), at_ms
        FROM old_answers;
      DROP TABLE old_answers`,
  },
  {
    version: 3,
    sql: `
      -- Who has created a rule; until now it was kept with its first version alone. A rule that was deleted and created anew has two of these.
      UPDATE standings SET standing = json_set(standing, '$.createdAs', first.created_as)
        FROM (SELECT name, content ->> '$.createdAs' AS created_as, max(id) FROM versions WHERE kind = 'RULE' AND version = 1 GROUP BY name) AS first
        WHERE first.name = standings.id AND first.created_as IS NOT NULL;
      ALTER TABLE standings ADD COLUMN created_as TEXT GENERATED ALWAYS AS (standing ->> '$.createdAs');
      CREATE INDEX standings_of_creator ON standings (created_as) WHERE created_as IS NOT NULL`,
  },
];
