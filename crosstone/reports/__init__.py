"""Numbers and logs of run sets in, tables, figures and pages out."""
