-- name: put_definitions
-- takes: bigint[], text[], bigint[], text[], text[], text[], text[], bigint[], bool[], bigint[]
INSERT INTO definitions
    (definition, process, version, package, package_version, resource, digest, deployment, enabled,
    at_ms)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (definition) DO UPDATE SET
    process = excluded.process, version = excluded.version, package = excluded.package,
    package_version = excluded.package_version, resource = excluded.resource,
    digest = excluded.digest, deployment = excluded.deployment, enabled = excluded.enabled,
    at_ms = excluded.at_ms;

-- name: definitions
-- takes:
SELECT definition, process, version, package, package_version, resource, digest, deployment,
    enabled, at_ms
FROM definitions ORDER BY definition;

-- name: put_packages
-- takes: text[], text[], text[], bool[], bool[], text[], bigint[]
INSERT INTO packages (name, version, digest, active, disabled, note, at_ms)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (name, version) DO UPDATE SET
    digest = excluded.digest, active = excluded.active, disabled = excluded.disabled,
    note = excluded.note, at_ms = excluded.at_ms;

-- name: delete_packages
-- takes: text[], text[]
DELETE FROM packages USING unnest($1, $2) AS gone (name, version)
WHERE packages.name = gone.name AND packages.version = gone.version;

-- name: packages
-- takes:
SELECT name, version, digest, active, disabled, note, at_ms FROM packages ORDER BY name, version;

-- name: put_blobs
-- takes: text[], bytea[]
INSERT INTO blobs (digest, content) SELECT * FROM unnest($1, $2)
ON CONFLICT (digest) DO UPDATE SET content = excluded.content;

-- name: blob
-- takes: text
SELECT content FROM blobs WHERE digest = $1;

-- name: put_settings
-- takes: text[], text[]
INSERT INTO settings (name, value) SELECT * FROM unnest($1, $2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: delete_settings
-- takes: text[]
DELETE FROM settings WHERE name = ANY ($1);

-- name: settings
-- takes:
SELECT name, value FROM settings ORDER BY name;
