DELETE FROM report WHERE number = ?1
