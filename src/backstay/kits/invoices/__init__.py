"""The invoices kit: documents to records that are accepted, looked at by a person, or rejected, with the reasons."""
