{{ suppression_jobs('profile_suppression_bulk_delete_jobs') }}
