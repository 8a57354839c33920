-- Comments that were deleted while they had replies: the row stays, so that the thread holds
-- together, without its text and its author.

CREATE TABLE comment_tombstones (
    comment_id integer NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT comment_tombstones_pkey PRIMARY KEY (comment_id),
    CONSTRAINT comment_tombstones_comment_id_fkey FOREIGN KEY (comment_id)
        REFERENCES comments (id) ON DELETE CASCADE
);
COMMENT ON TABLE comment_tombstones IS 'Удалённые комментарии, на которые есть ответы';

CREATE FUNCTION comment_tombstones_empty_comment() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE comments SET comment = '', user_id = NULL WHERE id = NEW.comment_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER comment_tombstones_empty
AFTER INSERT ON comment_tombstones
FOR EACH ROW EXECUTE FUNCTION comment_tombstones_empty_comment();
