"""Django on versioned tables."""
import importlib
import io
import os
import subprocess
import sys

import django
from django.conf import settings
from django.core.management import call_command

from checks import ok, refused, sql, version

MODELS = '''
from django.db import models

class Customer(models.Model):
    name = models.CharField(max_length=80, unique=True)

class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="orders")
    amount = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    state = models.TextField(default="new")
    placed = models.DateTimeField(auto_now_add=True)
'''


def database(options=""):
    return {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "HOST": os.environ["PGHOST"],
            "PORT": os.environ["PGPORT"], "USER": os.environ["PGUSER"], "OPTIONS": {"options": options} if options else {}}


def command(*arguments, **options):
    out = io.StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


def main():
    os.makedirs("shop/migrations")
    for path, content in (("shop/__init__.py", ""), ("shop/migrations/__init__.py", ""), ("shop/models.py", MODELS)):
        with open(path, "w") as file:
            file.write(content)
    sys.path.insert(0, os.getcwd())
    settings.configure(INSTALLED_APPS=["shop"], DATABASES={"default": database()}, USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
    django.setup()
    command("makemigrations", "shop", verbosity=0)
    command("migrate", verbosity=0)
    models = importlib.import_module("shop.models")
    before = command("inspectdb")
    sql("SELECT medallion.enable_versioning('shop_customer'), medallion.enable_versioning('shop_order')")
    ok(command("inspectdb") == before, "Django: inspectdb says what it said before enable_versioning", command("inspectdb"))
    plan = command("migrate", plan=True)
    ok("No planned migration operations" in plan, "Django: migrate has nothing to do", plan)
    ok("No changes detected" in command("makemigrations", dry_run=True), "Django: makemigrations has nothing to make")

    for i in range(1, 4):
        customer = models.Customer.objects.create(name=f"c{i}")
        models.Order.objects.bulk_create([models.Order(customer=customer, amount=i), models.Order(customer=customer, amount=10 * i)])
    first = version()
    for order in models.Order.objects.filter(amount__gte=10):
        order.state = "paid"
        order.save()        # writes back every column
    models.Customer.objects.get(name="c1").delete()
    models.Order.objects.update_or_create(customer=models.Customer.objects.get(name="c2"), amount=2, defaults={"state": "seen"})

    settings.DATABASES["past"] = database(f"-c medallion.as_of={first}")
    from django.db import connections
    connections.settings = connections.configure_settings(settings.DATABASES)
    past = models.Order.objects.using("past")
    ok(past.count() == 6 and past.filter(state="new").count() == 6, "Django: a database entry that travels reads the past", list(past.values()))
    ok(sorted(past.values_list("customer__name", "amount"))[0][0] == "c1", "Django: a join in the past")
    ok(models.Customer.objects.using("past").prefetch_related("orders").get(name="c1").orders.count() == 2, "Django: prefetching in the past")
    refused(lambda: models.Customer(name="new").save(using="past"), "Django: a database entry that travels does not write")
    raw = list(models.Order.objects.raw("SELECT * FROM medallion.as_of(NULL::shop_order, version => %s)", [first]))
    ok(len(raw) == 6 and all(order.state == "new" for order in raw), "Django: as_of as a raw query", raw)
    ok(models.Order.objects.count() == 4, "Django: the present is what it was")
    counts = sql("SELECT sum(inserted), sum(updated), sum(deleted) FROM medallion.history('shop_order')")[0]
    ok(tuple(map(int, counts)) == (6, 4, 2), "Django: what was saved is in the history", counts)

    with open("shop/models.py", "a") as file:
        file.write("    note = models.TextField(null=True)\n")
    code = subprocess.run([sys.executable, "-c", "import check_django; check_django.migrate_again()"],
                          env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.abspath(__file__))}).returncode
    ok(code == 0, "Django: a migration that adds a column runs")
    ok(sql("SELECT count(*), count(note) FROM medallion.as_of(NULL::shop_order, version => %s)", first)[0] == (6, 0),
       "Django: older versions have the new column as NULL")


def migrate_again():
    """In a process of its own, which loads the changed models."""
    sys.path.insert(0, os.getcwd())
    settings.configure(INSTALLED_APPS=["shop"], DATABASES={"default": database()}, USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
    django.setup()
    command("makemigrations", "shop", verbosity=0)
    command("migrate", verbosity=0)


if __name__ == "__main__":
    main()
