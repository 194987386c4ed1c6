SELECT (SELECT count(*) FROM work), (SELECT count(*) FROM report)
