{{ suppression_jobs('profile_suppression_bulk_create_jobs') }}
