package site

func init() { batchArchives = 4 }
