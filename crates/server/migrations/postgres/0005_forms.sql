-- The format of data derived from other columns; a program with another format recomputes it.
CREATE TABLE forms (
    name TEXT PRIMARY KEY,
    form BIGINT NOT NULL
);
INSERT INTO forms (name, form) VALUES ('name_words', 0);
