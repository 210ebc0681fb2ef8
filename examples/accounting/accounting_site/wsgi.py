"""What a WSGI server such as gunicorn loads."""
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "accounting_site.settings")
application = get_wsgi_application()
