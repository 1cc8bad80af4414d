-- Rows of ordinary resources, of 2 to 4 kB with their search documents, are stored as they are: compressing one costs more than all else
-- that is done to write its row, and each read has to undo it. Rows that are stored already stay as they are until they are changed.
ALTER TABLE resource SET (toast_tuple_target = 4080);
