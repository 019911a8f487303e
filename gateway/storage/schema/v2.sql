-- What services in Python keep: each domain has its own keys.

CREATE TABLE service_values (
    service TEXT NOT NULL,
    key     TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (service, key)
);
