SELECT 1 FROM "$users" you
WHERE you."$users.id" = $recipient AND you."$users.is_active" AND (
    EXISTS (SELECT 1 FROM "Accounting_System_app_section_members" mine
        JOIN "Accounting_System_app_section_members" yours ON yours."section_id" = mine."section_id"
        WHERE mine."user_id" = $sender AND yours."user_id" = $recipient)
    OR EXISTS (SELECT 1 FROM "Accounting_System_app_collaboration_members" mine
        JOIN "Accounting_System_app_collaboration_members" yours ON yours."collaboration_id" = mine."collaboration_id"
        WHERE mine."user_id" = $sender AND yours."user_id" = $recipient)
    OR EXISTS (SELECT 1 FROM "$users" one
        WHERE (one."$users.id" = $sender OR one."$users.id" = $recipient) AND one."is_superuser")
)
