-- What a transition of Concord is in the end, as one function inside PostgreSQL: read the workflow, ask two conditions, compare and set, write the event.
CREATE TABLE workflow (
  workflow_id text PRIMARY KEY,
  state text NOT NULL,
  version bigint NOT NULL,
  metadata jsonb NOT NULL,
  updated_by text NOT NULL,
  updated_at timestamptz NOT NULL
);

CREATE TABLE event (
  sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  workflow_id text NOT NULL,
  version bigint NOT NULL,
  from_state text NOT NULL,
  to_state text NOT NULL,
  reason text NOT NULL,
  requested_by text NOT NULL,
  metadata jsonb NOT NULL,
  occurred_at timestamptz NOT NULL
);

CREATE FUNCTION transition(id text, target text, author text, why text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  was workflow;
BEGIN
  SELECT * INTO STRICT was FROM workflow WHERE workflow_id = id;
  IF NOT ((was.metadata ->> 'temperature')::double precision < 8 AND target IN ('PAUSED', 'ACTIVE')) THEN
    RAISE EXCEPTION 'denied: temperature';
  END IF;
  IF NOT (author <> '' AND length(why) > 3) THEN
    RAISE EXCEPTION 'denied: named';
  END IF;
  UPDATE workflow SET state = target, version = was.version + 1, updated_by = author, updated_at = clock_timestamp()
    WHERE workflow_id = id AND version = was.version;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'version mismatch';
  END IF;
  INSERT INTO event (workflow_id, version, from_state, to_state, reason, requested_by, metadata, occurred_at)
    VALUES (id, was.version + 1, was.state, target, why, author, was.metadata, clock_timestamp());
  RETURN was.version + 1;
END
$$;
