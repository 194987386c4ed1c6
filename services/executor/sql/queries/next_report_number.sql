SELECT value FROM counter WHERE name = 'next_report'
