# Writes the data sets of R packages as CSV into the directory named as argument: Rscript export.R DIR
# Columns get names that need no quoting; numbers keep their digits.
dir <- commandArgs(TRUE)[1]
options(digits = 15)
keep <- function(name, frame) {
  names(frame) <- tolower(gsub("[^A-Za-z0-9]+", "_", names(frame)))
  write.csv(frame, file.path(dir, paste0(name, ".csv")), row.names = FALSE, na = "")
}
suppressMessages(data(LetterRecognition, Shuttle, Satellite, PimaIndiansDiabetes2, package = "mlbench"))
data(spam, package = "kernlab")
keep("letter", LetterRecognition)
keep("shuttle", Shuttle)
keep("satellite", Satellite)
keep("pima", PimaIndiansDiabetes2)
keep("spam", spam)
keep("diamonds", as.data.frame(ggplot2::diamonds))
