-- The form in which something worked out of other columns is kept; a program with another form works it out again.
CREATE TABLE forms (
    name TEXT PRIMARY KEY,
    form INTEGER NOT NULL
);
INSERT INTO forms (name, form) VALUES ('name_words', 0);
