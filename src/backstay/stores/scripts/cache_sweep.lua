-- ARGV now. Throws out the dead, at most a thousand a call, so that nobody waits long; how many.
return sweep(ARGV[1], 1000)
