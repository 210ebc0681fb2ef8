from django.apps import AppConfig


class AccountingConfig(AppConfig):
    name = "Accounting_System_app"
