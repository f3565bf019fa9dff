-- Users, their streams' history, and who follows whom. Dates are milliseconds since 1970; ids are UUIDs as text.

CREATE TABLE users (
    id          TEXT PRIMARY KEY NOT NULL,
    -- A label: many users may share one.
    username    TEXT NOT NULL,
    role        TEXT NOT NULL CHECK (role IN ('STREAMER', 'VIEWER')),
    -- SHA-256 of the resume token. The token itself is never written.
    resume_hash BLOB NOT NULL,
    -- Whether it was ever shown.
    token_shown BOOLEAN NOT NULL,
    created_at  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL
);

CREATE TABLE streams (
    id           TEXT PRIMARY KEY NOT NULL,
    stream_key   TEXT UNIQUE NOT NULL,
    -- No foreign key: the history outlives a user who was forgotten.
    streamer_id  TEXT NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('WAITING', 'ACTIVE', 'ENDED')),
    viewers_peak BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    started_at   BIGINT,
    ended_at     BIGINT
);

CREATE INDEX streams_by_streamer ON streams (streamer_id, created_at);
CREATE INDEX streams_not_ended ON streams (status) WHERE status <> 'ENDED';

CREATE TABLE subscriptions (
    follower_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    following_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (follower_id, following_id)
);

CREATE INDEX subscriptions_by_following ON subscriptions (following_id);
