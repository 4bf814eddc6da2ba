PRAGMA application_id = 1952540519;
BEGIN TRANSACTION;
CREATE TABLE adaptation (
	id INTEGER NOT NULL, 
	at TEXT NOT NULL, 
	outcome VARCHAR(11) NOT NULL, 
	bundle TEXT NOT NULL, 
	beside BOOLEAN NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	parent_digest VARCHAR(64) NOT NULL, 
	decisions INTEGER NOT NULL, 
	newest_decision_id INTEGER NOT NULL, 
	figures JSON NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT outcome CHECK (outcome IN ('promoted', 'refused', 'rolled-back'))
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0014');
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	drawn_at TEXT NOT NULL, 
	reviewer TEXT NOT NULL, 
	accepted INTEGER NOT NULL, model_id INTEGER REFERENCES model (id), drawn_by JSON, least FLOAT, tag TEXT, 
	PRIMARY KEY (id)
);
CREATE TABLE certificate (
	id INTEGER NOT NULL, 
	model_id INTEGER NOT NULL, 
	made_at TEXT NOT NULL, 
	precision FLOAT NOT NULL, 
	certainty FLOAT NOT NULL, 
	policy JSON, 
	claims JSON NOT NULL, 
	pictures INTEGER NOT NULL, 
	accepts FLOAT NOT NULL, 
	accepted_before FLOAT NOT NULL, preparing TEXT DEFAULT 'views28-1' NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(model_id) REFERENCES model (id)
);
CREATE TABLE counted (
	root_id INTEGER NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	tag TEXT NOT NULL, 
	flagged BOOLEAN NOT NULL, 
	number INTEGER NOT NULL, 
	PRIMARY KEY (root_id, state, tag, flagged), 
	FOREIGN KEY(root_id) REFERENCES root (id)
);
INSERT INTO "counted" VALUES(1,'missing','Shirt',0,1);
INSERT INTO "counted" VALUES(1,'tagged','Shirt',0,1);
INSERT INTO "counted" VALUES(1,'tagged','Shirt',1,1);
CREATE TABLE decision (
	id INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	tag TEXT, 
	reviewer TEXT NOT NULL, 
	decided_at TEXT NOT NULL, 
	undone_at TEXT, 
	prepared BLOB, source TEXT DEFAULT 'review' NOT NULL, machine_tag TEXT, preparing TEXT DEFAULT 'views28-1' NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT decisionkind CHECK (kind IN ('accept', 'correct', 'not-a-catalogue-item')), 
	CONSTRAINT tag_fits_kind CHECK ((kind = 'not-a-catalogue-item') = (tag IS NULL))
);
INSERT INTO "decision" VALUES(1,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','correct','Dress','someone','2026-01-02T03:04:05.000006Z',NULL,NULL,'review','Shirt','views28-1');
CREATE TABLE event (
	id INTEGER NOT NULL, 
	image_id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	at TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(image_id) REFERENCES image (id), 
	FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "event" VALUES(1,3,1,'2026-01-02T03:04:05.000006Z','missing','not there');
CREATE TABLE exported (
	mark TEXT NOT NULL, 
	image_id INTEGER NOT NULL, 
	fingerprint BIGINT NOT NULL, 
	PRIMARY KEY (mark, image_id), 
	FOREIGN KEY(image_id) REFERENCES image (id) ON DELETE CASCADE
);
CREATE TABLE fingerprint (
	digest VARCHAR(64) NOT NULL, 
	bits BIGINT NOT NULL, 
	PRIMARY KEY (digest)
);
CREATE TABLE image (
	id INTEGER NOT NULL, 
	root_id INTEGER NOT NULL, 
	path TEXT NOT NULL, 
	digest VARCHAR(64), 
	size BIGINT, 
	mtime_ns BIGINT, 
	state VARCHAR(10) NOT NULL, 
	reason TEXT NOT NULL, 
	flagged BOOLEAN NOT NULL, 
	flag_reason TEXT NOT NULL, 
	prediction_id INTEGER, 
	width INTEGER, 
	height INTEGER, 
	format TEXT, 
	first_seen TEXT NOT NULL, 
	last_seen TEXT, 
	updated_at TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (root_id, path), 
	CONSTRAINT state CHECK (state IN ('tagged', 'unreadable', 'missing', 'unsettled', 'ignored')), 
	CONSTRAINT tagged_by_something CHECK (state <> 'tagged' OR prediction_id IS NOT NULL), 
	FOREIGN KEY(root_id) REFERENCES root (id), 
	FOREIGN KEY(prediction_id) REFERENCES prediction (id)
);
INSERT INTO "image" VALUES(1,1,'a.jpg','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',10,20,'tagged','',0,'',1,30,40,'JPEG','2026-01-02T03:04:05.000006Z',NULL,'2026-01-02T03:04:05.000006Z');
INSERT INTO "image" VALUES(2,1,'b.jpg','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',10,20,'tagged','',1,'unsure: Shirt 0.50, Dress 0.50 (needs 0.70)',2,30,40,'JPEG','2026-01-02T03:04:05.000006Z',NULL,'2026-01-02T03:04:05.000006Z');
INSERT INTO "image" VALUES(3,1,'c.jpg','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',10,20,'missing','not there',0,'',1,30,40,'JPEG','2026-01-02T03:04:05.000006Z','2026-01-02T03:04:05.000006Z','2026-01-02T03:04:05.000006Z');
CREATE TABLE kind_tag (
	kind TEXT NOT NULL, 
	tag TEXT NOT NULL, 
	mapped_at TEXT NOT NULL, 
	mapped_by TEXT NOT NULL, 
	PRIMARY KEY (kind)
);
CREATE TABLE lease (
	digest VARCHAR(64) NOT NULL, 
	sitting TEXT NOT NULL, 
	reviewer TEXT NOT NULL, 
	until TEXT NOT NULL, 
	PRIMARY KEY (digest)
);
CREATE TABLE mix (
	id INTEGER NOT NULL, 
	root_id INTEGER NOT NULL, 
	model_id INTEGER NOT NULL, 
	since TEXT NOT NULL, 
	pictures INTEGER NOT NULL, 
	shares JSON NOT NULL, 
	prior JSON NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(root_id) REFERENCES root (id), 
	FOREIGN KEY(model_id) REFERENCES model (id)
);
CREATE TABLE model (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	labels JSON NOT NULL, shift FLOAT, 
	PRIMARY KEY (id), 
	UNIQUE (digest)
);
INSERT INTO "model" VALUES(1,'three-block','eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','["Shirt","Dress"]',NULL);
CREATE TABLE note (
	id INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	text TEXT NOT NULL, 
	reviewer TEXT NOT NULL, 
	written_at TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE own_tag (
	tag TEXT NOT NULL, 
	added_at TEXT NOT NULL, 
	added_by TEXT NOT NULL, 
	PRIMARY KEY (tag)
);
INSERT INTO "own_tag" VALUES('Skirt','2026-01-02T03:04:05.000006Z','someone');
CREATE TABLE policy (
	id INTEGER NOT NULL, 
	model_id INTEGER NOT NULL, 
	threshold FLOAT NOT NULL, 
	margin FLOAT NOT NULL, 
	since TEXT NOT NULL, tags JSON DEFAULT '{}' NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(model_id) REFERENCES model (id)
);
INSERT INTO "policy" VALUES(1,1,0.7,0.0,'2026-01-02T03:04:05.000006Z','{}');
CREATE TABLE prediction (
	id INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	model_id INTEGER NOT NULL, 
	preparing TEXT NOT NULL, 
	tag TEXT NOT NULL, 
	confidence FLOAT NOT NULL, 
	runner_up TEXT NOT NULL, 
	margin FLOAT NOT NULL, 
	probabilities BLOB NOT NULL, adjusted BLOB, adjusted_by TEXT, damaged BOOLEAN DEFAULT 0 NOT NULL, other FLOAT DEFAULT 0 NOT NULL, kind TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (digest, model_id, preparing), 
	CONSTRAINT confidence CHECK (confidence BETWEEN 0 AND 1), 
	CONSTRAINT margin CHECK (margin BETWEEN 0 AND 1), 
	FOREIGN KEY(model_id) REFERENCES model (id)
);
INSERT INTO "prediction" VALUES(1,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1,'gray28-1','Shirt',0.75,'Dress',0.5,X'0000403F0000803E',NULL,NULL,0,0.0,'');
INSERT INTO "prediction" VALUES(2,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',1,'gray28-1','Shirt',0.5,'Dress',0.0,X'0000003F0000003F',NULL,NULL,0,0.0,'');
CREATE TABLE root (
	id INTEGER NOT NULL, 
	path TEXT NOT NULL, 
	scanned_at TEXT, item_pattern TEXT, 
	PRIMARY KEY (id), 
	UNIQUE (path)
);
INSERT INTO "root" VALUES(1,'/shop','2026-01-02T03:04:05.000006Z',NULL);
CREATE TABLE run (
	id INTEGER NOT NULL, 
	started_at TEXT NOT NULL, 
	ended_at TEXT, 
	exit_code INTEGER, 
	host TEXT NOT NULL, 
	options JSON NOT NULL, 
	counts JSON, 
	PRIMARY KEY (id)
);
INSERT INTO "run" VALUES(1,'2026-01-02T03:04:05.000006Z','2026-01-02T03:04:05.000006Z',0,'host','{}','{}');
CREATE TABLE sampled (
	id INTEGER NOT NULL, 
	audit_id INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	prediction_id INTEGER NOT NULL, 
	decision_id INTEGER, again BOOLEAN DEFAULT 0 NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (audit_id, digest), 
	FOREIGN KEY(audit_id) REFERENCES audit (id), 
	FOREIGN KEY(prediction_id) REFERENCES prediction (id), 
	FOREIGN KEY(decision_id) REFERENCES decision (id)
);
CREATE TABLE waiting (
	image_id INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	confidence FLOAT NOT NULL, 
	margin FLOAT NOT NULL, 
	PRIMARY KEY (image_id), 
	FOREIGN KEY(image_id) REFERENCES image (id)
);
INSERT INTO "waiting" VALUES(2,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',0.5,0.0);
CREATE INDEX image_digest ON image (digest);
CREATE INDEX image_prediction ON image (prediction_id);
CREATE INDEX decision_digest ON decision (digest);
CREATE INDEX event_image ON event (image_id);
CREATE INDEX note_digest ON note (digest);
CREATE INDEX waiting_confidence ON waiting (confidence, image_id);
CREATE INDEX waiting_margin ON waiting (margin, image_id);
CREATE INDEX waiting_digest ON waiting (digest, image_id);
CREATE INDEX lease_sitting ON lease (sitting);
CREATE INDEX sampled_decision ON sampled (decision_id);
CREATE TRIGGER waiting_image_deleted AFTER DELETE ON image
BEGIN
  DELETE FROM waiting WHERE image_id = old.id;
END;
CREATE TRIGGER waiting_decided AFTER INSERT ON decision WHEN new.undone_at IS NULL
BEGIN
  DELETE FROM waiting WHERE digest = new.digest;
END;
CREATE INDEX exported_image ON exported (image_id);
CREATE INDEX certificate_model ON certificate (model_id);
CREATE INDEX mix_model ON mix (model_id, root_id);
CREATE INDEX prediction_damaged ON prediction (id) WHERE damaged = 1;
CREATE VIEW decision_in_force AS
SELECT
  id, digest, kind, tag, reviewer, decided_at, prepared, preparing, source, machine_tag
FROM decision
WHERE undone_at IS NULL AND NOT EXISTS (
  SELECT 1 FROM decision AS later
  WHERE later.digest = decision.digest AND later.undone_at IS NULL
    AND (later.decided_at, later.id) > (decision.decided_at, decision.id)
);
CREATE VIEW inventory AS
SELECT
  root.path AS root,
  image.path AS path,
  CASE
    WHEN decision.id IS NOT NULL THEN decision.tag
    WHEN prediction.other <= prediction.confidence THEN prediction.tag
  END AS tag,
  max(prediction.confidence, prediction.other) AS confidence,
  image.flagged AND image.state = 'tagged' AND decision.id IS NULL AS flagged,
  CASE
    WHEN image.state <> 'tagged' THEN image.reason
    WHEN decision.id IS NULL THEN image.flag_reason
    WHEN decision.kind = 'not-a-catalogue-item' THEN 'not a catalogue item'
    ELSE ''
  END AS reason,
  CASE
    WHEN decision.id IS NOT NULL THEN 'person'
    WHEN prediction.id IS NOT NULL THEN 'machine'
  END AS decided_by,
  CASE
    WHEN prediction.other > prediction.confidence THEN prediction.tag
    ELSE prediction.runner_up
  END AS runner_up,
  CASE
    WHEN prediction.other > prediction.confidence THEN prediction.other - prediction.confidence
    ELSE prediction.margin
  END AS margin,
  image.state AS state,
  image.digest AS digest,
  model.name AS model,
  max(image.updated_at, coalesce(decision.decided_at, '')) AS updated_at,
  CASE WHEN prediction.id IS NOT NULL THEN CASE
    WHEN prediction.other <= prediction.confidence THEN prediction.tag
    WHEN prediction.kind = '' THEN 'not a catalogue item'
    ELSE 'no tag: ' || prediction.kind
  END END
    AS machine_tag,
  decision.reviewer AS reviewer,
  prediction.other AS no_tag
FROM image
JOIN root ON root.id = image.root_id
LEFT JOIN prediction ON prediction.id = image.prediction_id
LEFT JOIN model ON model.id = prediction.model_id
LEFT JOIN decision_in_force AS decision ON decision.digest = image.digest;
CREATE TRIGGER waiting_image_inserted 
AFTER INSERT ON image WHEN new.state = 'tagged' AND new.flagged
BEGIN
  INSERT INTO waiting (image_id, digest, confidence, margin) 
  SELECT image.id, image.digest,
    max(prediction.confidence, prediction.other), CASE
    WHEN prediction.other > prediction.confidence THEN prediction.other - prediction.confidence
    ELSE prediction.margin
  END
  FROM image JOIN prediction ON prediction.id = image.prediction_id
  WHERE image.state = 'tagged' AND image.flagged
    AND NOT EXISTS (
      SELECT 1 FROM decision
      WHERE decision.digest = image.digest AND decision.undone_at IS NULL
    )
 AND image.id = new.id;
END;
CREATE TRIGGER waiting_image_updated 
AFTER UPDATE OF state, flagged, digest, prediction_id ON image
WHEN old.flagged OR new.flagged
BEGIN
  DELETE FROM waiting WHERE image_id = new.id;
  INSERT INTO waiting (image_id, digest, confidence, margin) 
  SELECT image.id, image.digest,
    max(prediction.confidence, prediction.other), CASE
    WHEN prediction.other > prediction.confidence THEN prediction.other - prediction.confidence
    ELSE prediction.margin
  END
  FROM image JOIN prediction ON prediction.id = image.prediction_id
  WHERE image.state = 'tagged' AND image.flagged
    AND NOT EXISTS (
      SELECT 1 FROM decision
      WHERE decision.digest = image.digest AND decision.undone_at IS NULL
    )
 AND image.id = new.id;
END;
CREATE TRIGGER waiting_decision_changed 
AFTER UPDATE OF undone_at, digest ON decision
BEGIN
  DELETE FROM waiting WHERE digest IN (old.digest, new.digest);
  INSERT INTO waiting (image_id, digest, confidence, margin) 
  SELECT image.id, image.digest,
    max(prediction.confidence, prediction.other), CASE
    WHEN prediction.other > prediction.confidence THEN prediction.other - prediction.confidence
    ELSE prediction.margin
  END
  FROM image JOIN prediction ON prediction.id = image.prediction_id
  WHERE image.state = 'tagged' AND image.flagged
    AND NOT EXISTS (
      SELECT 1 FROM decision
      WHERE decision.digest = image.digest AND decision.undone_at IS NULL
    )
 AND image.digest IN (old.digest, new.digest);
END;
CREATE TRIGGER waiting_decision_deleted 
AFTER DELETE ON decision
BEGIN
  DELETE FROM waiting WHERE digest = old.digest;
  INSERT INTO waiting (image_id, digest, confidence, margin) 
  SELECT image.id, image.digest,
    max(prediction.confidence, prediction.other), CASE
    WHEN prediction.other > prediction.confidence THEN prediction.other - prediction.confidence
    ELSE prediction.margin
  END
  FROM image JOIN prediction ON prediction.id = image.prediction_id
  WHERE image.state = 'tagged' AND image.flagged
    AND NOT EXISTS (
      SELECT 1 FROM decision
      WHERE decision.digest = image.digest AND decision.undone_at IS NULL
    )
 AND image.digest = old.digest;
END;
CREATE TRIGGER waiting_prediction_updated 
AFTER UPDATE OF confidence, margin, other ON prediction
WHEN (old.confidence, old.margin, old.other)
  IS NOT (new.confidence, new.margin, new.other)
BEGIN
  UPDATE waiting
  SET confidence = max(new.confidence, new.other), margin = CASE
    WHEN new.other > new.confidence THEN new.other - new.confidence
    ELSE new.margin
  END
  WHERE image_id IN (SELECT id FROM image WHERE prediction_id = new.id);
END;
CREATE TRIGGER counted_image_inserted AFTER INSERT ON image BEGIN 
  INSERT INTO counted (root_id, state, tag, flagged, number)
  VALUES (new.root_id, new.state, coalesce((SELECT CASE
    WHEN prediction.other <= prediction.confidence THEN prediction.tag
    WHEN prediction.kind = '' THEN 'not a catalogue item'
    ELSE 'no tag: ' || prediction.kind
  END FROM prediction
    WHERE prediction.id = new.prediction_id), ''), new.flagged, 1)
  ON CONFLICT (root_id, state, tag, flagged) DO UPDATE SET number = number + 1;
 END;
CREATE TRIGGER counted_image_updated 
AFTER UPDATE OF root_id, state, flagged, prediction_id ON image
WHEN (old.root_id, old.state, old.flagged, old.prediction_id)
  IS NOT (new.root_id, new.state, new.flagged, new.prediction_id)
BEGIN 
  UPDATE counted SET number = number - 1
  WHERE root_id = old.root_id AND state = old.state AND flagged = old.flagged
    AND tag = coalesce((SELECT CASE
    WHEN prediction.other <= prediction.confidence THEN prediction.tag
    WHEN prediction.kind = '' THEN 'not a catalogue item'
    ELSE 'no tag: ' || prediction.kind
  END FROM prediction
    WHERE prediction.id = old.prediction_id), '');
  DELETE FROM counted WHERE root_id = old.root_id AND number = 0;
 
  INSERT INTO counted (root_id, state, tag, flagged, number)
  VALUES (new.root_id, new.state, coalesce((SELECT CASE
    WHEN prediction.other <= prediction.confidence THEN prediction.tag
    WHEN prediction.kind = '' THEN 'not a catalogue item'
    ELSE 'no tag: ' || prediction.kind
  END FROM prediction
    WHERE prediction.id = new.prediction_id), ''), new.flagged, 1)
  ON CONFLICT (root_id, state, tag, flagged) DO UPDATE SET number = number + 1;
 END;
CREATE TRIGGER counted_image_deleted AFTER DELETE ON image BEGIN 
  UPDATE counted SET number = number - 1
  WHERE root_id = old.root_id AND state = old.state AND flagged = old.flagged
    AND tag = coalesce((SELECT CASE
    WHEN prediction.other <= prediction.confidence THEN prediction.tag
    WHEN prediction.kind = '' THEN 'not a catalogue item'
    ELSE 'no tag: ' || prediction.kind
  END FROM prediction
    WHERE prediction.id = old.prediction_id), '');
  DELETE FROM counted WHERE root_id = old.root_id AND number = 0;
 END;
CREATE TRIGGER counted_prediction_updated 
AFTER UPDATE OF tag, confidence, other, kind ON prediction
WHEN CASE
    WHEN old.other <= old.confidence THEN old.tag
    WHEN old.kind = '' THEN 'not a catalogue item'
    ELSE 'no tag: ' || old.kind
  END <> CASE
    WHEN new.other <= new.confidence THEN new.tag
    WHEN new.kind = '' THEN 'not a catalogue item'
    ELSE 'no tag: ' || new.kind
  END
BEGIN
  INSERT INTO counted (root_id, state, tag, flagged, number)
  SELECT root_id, state, CASE
    WHEN new.other <= new.confidence THEN new.tag
    WHEN new.kind = '' THEN 'not a catalogue item'
    ELSE 'no tag: ' || new.kind
  END, flagged, count(*) FROM image
  WHERE prediction_id = new.id GROUP BY root_id, state, flagged
  ON CONFLICT (root_id, state, tag, flagged)
  DO UPDATE SET number = number + excluded.number;
  UPDATE counted SET number = number - (
    SELECT count(*) FROM image
    WHERE prediction_id = new.id AND image.root_id = counted.root_id
      AND image.state = counted.state AND image.flagged = counted.flagged
  )
  WHERE tag = CASE
    WHEN old.other <= old.confidence THEN old.tag
    WHEN old.kind = '' THEN 'not a catalogue item'
    ELSE 'no tag: ' || old.kind
  END;
  DELETE FROM counted WHERE tag = CASE
    WHEN old.other <= old.confidence THEN old.tag
    WHEN old.kind = '' THEN 'not a catalogue item'
    ELSE 'no tag: ' || old.kind
  END AND number = 0;
END;
COMMIT;
