-- A key that somebody chose is opened again and again: the history has each time.

CREATE TABLE streams_anew (
    id           TEXT PRIMARY KEY NOT NULL,
    stream_key   TEXT NOT NULL,
    -- No foreign key: the history outlives a user who was forgotten.
    streamer_id  TEXT NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('WAITING', 'ACTIVE', 'ENDED')),
    viewers_peak BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    started_at   BIGINT,
    ended_at     BIGINT
);

INSERT INTO streams_anew (id, stream_key, streamer_id, status, viewers_peak, created_at, started_at, ended_at)
SELECT id, stream_key, streamer_id, status, viewers_peak, created_at, started_at, ended_at FROM streams;

DROP TABLE streams;

ALTER TABLE streams_anew RENAME TO streams;

CREATE INDEX streams_by_streamer ON streams (streamer_id, created_at);
CREATE INDEX streams_not_ended ON streams (status) WHERE status <> 'ENDED';
