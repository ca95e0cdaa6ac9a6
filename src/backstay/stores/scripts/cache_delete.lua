-- ARGV field. Forgets one entry.
return forget(ARGV[1])
