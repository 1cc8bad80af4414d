"""The proof of scimsrv: unit/ pure code, store/ on Postgres, wire/ the application, artefact/ the installed wheel."""
