-- name: put_definition
INSERT OR REPLACE INTO definitions
    (definition, process, version, package, package_version, resource, digest, deployment, enabled,
    at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10);

-- name: definitions
SELECT definition, process, version, package, package_version, resource, digest, deployment,
    enabled, at_ms
FROM definitions ORDER BY definition;

-- name: put_package
INSERT OR REPLACE INTO packages (name, version, digest, active, disabled, note, at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7);

-- name: delete_package
DELETE FROM packages WHERE name = ?1 AND version = ?2;

-- name: packages
SELECT name, version, digest, active, disabled, note, at_ms FROM packages ORDER BY name, version;

-- name: put_blob
INSERT OR REPLACE INTO blobs (digest, content) VALUES (?1, ?2);

-- name: blob
SELECT content FROM blobs WHERE digest = ?1;

-- name: put_setting
INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2);

-- name: delete_setting
DELETE FROM settings WHERE name = ?1;

-- name: settings
SELECT name, value FROM settings ORDER BY name;
